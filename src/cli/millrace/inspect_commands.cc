// status, stop and logs: look at a run, live or dead.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/common/exit_code.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/run_directory.h"
#include "cli/millrace/run_lock.h"
#include "control/run_commands.h"
#include "core/deadline.h"
#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

void PrintWorkers(const control::StatusReply& status) {
  std::printf("%-20s %8s %-12s %9s %10s  %s\n", "worker", "pid", "state", "restarts", "uptime",
              "last exit");
  for (const auto& worker : status.workers()) {
    const std::string name = fmt::format("{}-{}", worker.role(), worker.index());
    std::printf("%-20s %8d %-12s %9u %9.0fs  %s\n", name.c_str(), worker.pid(),
                worker.state().c_str(), worker.restarts(), worker.uptime_seconds(),
                worker.last_exit().c_str());
  }
}

// The last line of metrics.jsonl, if there is one.
std::string LastMetrics(const RunPaths& paths) {
  std::ifstream file(paths.metrics());
  std::string line, last;
  while (std::getline(file, line)) last = line;
  return last;
}

absl::Status ShowStatus(const std::string& run) {
  MILLRACE_ASSIGN_OR_RETURN(const RunPaths paths, FindRunDirectory(run));
  const auto status = GetRunStatus(paths.root());
  if (status.ok()) {
    std::printf("%s: %s%s\n", paths.root().string().c_str(), status->state().c_str(),
                status->paused() ? " (paused)" : "");
    PrintWorkers(*status);
  } else if (RunLock::IsHeld(paths)) {
    std::printf("%s: starting or ending\n", paths.root().string().c_str());
  } else if (fs::exists(paths.summary())) {
    std::ifstream file(paths.summary());
    const auto summary = nlohmann::json::parse(file, nullptr, false);
    std::printf("%s: ended, %s: %s\n", paths.root().string().c_str(),
                summary.value("status", "?").c_str(), summary.value("reason", "?").c_str());
  } else {
    std::printf(
        "%s: not running and without a summary: it was killed; `millrace resume` continues it\n",
        paths.root().string().c_str());
  }
  const std::string metrics = LastMetrics(paths);
  if (!metrics.empty()) std::printf("%s\n", metrics.c_str());
  return absl::OkStatus();
}

absl::Status StopRun(const std::string& run, double patience_seconds) {
  MILLRACE_ASSIGN_OR_RETURN(const RunPaths paths, FindRunDirectory(run));
  if (!RunLock::IsHeld(paths)) {
    return absl::FailedPreconditionError(fmt::format("{} is not running", paths.root().string()));
  }
  const Deadline deadline = After(
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(patience_seconds)));
  // The launcher lets go of the lock when the summary is written. The controller may be starting.
  bool sent = false;
  while (RunLock::IsHeld(paths)) {
    sent = sent || SendRunCommand(paths.root(), control::CommandRequest::STOP).ok();
    if (Expired(deadline)) {
      return absl::UnavailableError(fmt::format(
          "{0} has not ended within {1} s; `millrace status {0}` says what it waits for",
          paths.root().string(), patience_seconds));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  std::printf("%s: stopped\n", paths.root().string().c_str());
  return absl::OkStatus();
}

absl::Status ShowLogs(const std::string& run, const std::string& role) {
  MILLRACE_ASSIGN_OR_RETURN(const RunPaths paths, FindRunDirectory(run));
  std::vector<fs::path> files;
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(paths.logs(), missing)) {
    names.push_back(entry.path().stem().string());
    if (role.empty() || names.back() == role || names.back().starts_with(role + "-")) {
      files.push_back(entry.path());
    }
  }
  if (files.empty()) {
    return absl::NotFoundError(fmt::format("no log of \"{}\" in {}{}", role, paths.logs().string(),
                                           DidYouMean(role, names)));
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    std::printf("==> %s\n", file.filename().string().c_str());
    std::ifstream stream(file);
    std::string line;
    while (std::getline(stream, line)) std::printf("%s\n", line.c_str());
  }
  return absl::OkStatus();
}

int Finish(const absl::Status& status) { return status.ok() ? kExitOk : Fail(status); }

}  // namespace

void AddStatusCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("status", "Shows the workers and progress of a run.");
  auto run = std::make_shared<std::string>();
  command->add_option("run", *run, "run directory, or its name below runs/")->required();
  command->footer("Example: millrace status runs/cartpole-ppo");
  command->callback([run, &exit_code] { exit_code = Finish(ShowStatus(*run)); });
}

void AddStopCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("stop", "Drains a run and ends it.");
  auto run = std::make_shared<std::string>();
  auto patience = std::make_shared<double>(30);
  command->add_option("run", *run, "run directory, or its name below runs/")->required();
  command->add_option("--timeout", *patience, "seconds to wait for its end")->capture_default_str();
  command->footer("Example: millrace stop runs/cartpole-ppo");
  command->callback([run, patience, &exit_code] { exit_code = Finish(StopRun(*run, *patience)); });
}

void AddLogsCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("logs", "Prints the logs of a run's workers.");
  auto run = std::make_shared<std::string>();
  auto role = std::make_shared<std::string>();
  command->add_option("run", *run, "run directory, or its name below runs/")->required();
  command->add_option("role", *role, "only this role (actor) or worker (actor-0)");
  command->footer("Example: millrace logs runs/cartpole-ppo trainer");
  command->callback([run, role, &exit_code] { exit_code = Finish(ShowLogs(*run, *role)); });
}

}  // namespace millrace
