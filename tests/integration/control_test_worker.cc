// A worker that does nothing but live: it stands in for millrace-actor, -torch and -store.
//
// It publishes test/ROLE/INDEX, writes what it sees of the name service to RUN/seen-ROLE-INDEX, and
// appends its name to RUN/exits when it drains. Words in the experiment text make it misbehave.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "control/control_client.h"
#include "core/run_paths.h"
#include "data/ledger.h"

namespace millrace {
namespace {

struct Arguments {
  std::string role;
  uint32_t index = 0;
  uint32_t incarnation = 0;
  std::filesystem::path run_directory;
};

void WriteSeen(const Arguments& arguments, const ControlClient& client) {
  const auto path =
      arguments.run_directory / ("seen-" + arguments.role + "-" + std::to_string(arguments.index));
  {
    std::ofstream file(path.string() + ".new");
    for (const std::string prefix : {"test/", "closed/"}) {
      for (const NameEntry& entry : client.List(prefix)) {
        file << entry.key << " " << entry.value << "\n";
      }
    }
  }
  std::filesystem::rename(path.string() + ".new", path);
}

bool Has(const ControlClient& client, const std::string& word) {
  return client.config_yaml().find(word) != std::string::npos;
}

int Run(const Arguments& arguments) {
  Doorbell bell;
  ControlClientOptions options;
  options.run_directory = arguments.run_directory;
  options.role = arguments.role;
  options.index = arguments.index;
  options.incarnation = arguments.incarnation;
  options.bell = &bell;
  const auto client = ControlClient::Connect(options);
  if (!client.ok()) {
    std::fprintf(stderr, "%s\n", std::string(client.status().message()).c_str());
    return 1;
  }
  ControlClient& control = **client;
  if (Has(control, "crash-" + arguments.role)) return 1;
  if (Has(control, "misconfigured-" + arguments.role)) {
    return control.ReportFailure("x.yaml:3: a bad value", 2).ok() ? 2 : 1;
  }
  const auto ledger = Ledger::Create(RunPaths(arguments.run_directory).ledger(),
                                     {.role = arguments.role,
                                      .index = arguments.index,
                                      .incarnation = arguments.incarnation,
                                      .policy = {},
                                      .rank = 0,
                                      .process = ThisProcess()});
  if (!ledger.ok()) return 1;
  const auto lane = (*ledger)->AddLane("default", 0, 8, 8);
  if (!lane.ok()) return 1;
  for (int i = 0; i < 3; ++i) (*ledger)->Commit(*lane);

  const auto starts = control.StoreAdd("starts", 1);
  if (!starts.ok()) return 1;
  const std::string key = "test/" + arguments.role + "/" + std::to_string(arguments.index);
  const std::string value = std::to_string(arguments.incarnation) + ":" +
                            std::to_string(static_cast<int>(::getpid())) + ":start " +
                            std::to_string(*starts);
  if (!control.Watch("test/", &bell).ok() || !control.Watch("closed/", &bell).ok() ||
      !control.Put(key, value).ok() || !control.ReportReady().ok()) {
    return 1;
  }
  while (control.command() < WorkerCommand::kDrain) {
    const uint32_t seen = bell.Value();
    WriteSeen(arguments, control);
    bell.Wait(seen, After(std::chrono::milliseconds(500)));
  }
  if (control.command() == WorkerCommand::kExit) return 1;
  std::ofstream(arguments.run_directory / "exits", std::ios::app) << arguments.role << "\n";
  return 0;
}

}  // namespace
}  // namespace millrace

// ROLE INDEX --run-dir DIR --incarnation N
int main(int argc, char** argv) {
  if (argc != 7) return 1;
  return millrace::Run({.role = argv[1],
                        .index = static_cast<uint32_t>(std::atoi(argv[2])),
                        .incarnation = static_cast<uint32_t>(std::atoi(argv[6])),
                        .run_directory = argv[4]});
}
