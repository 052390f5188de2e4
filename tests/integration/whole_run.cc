#include "integration/whole_run.h"

#include <gtest/gtest.h>

#include "core/process_identity.h"
#include "core/run_paths.h"
#include "data/ledger.h"

namespace millrace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<std::string> Arguments(const fs::path& runs, const std::string& name,
                                   std::vector<std::string> settings, const std::string& file) {
  std::vector<std::string> arguments = {file,          "--name",     name,  "--runs-dir",
                                        runs.string(), "--progress", "none"};
  for (std::string& set : settings) {
    arguments.push_back("--set");
    arguments.push_back(std::move(set));
  }
  return arguments;
}

json RunToEnd(const fs::path& runs, const std::string& name, std::vector<std::string> settings,
              int expected_exit, const std::string& file) {
  std::vector<std::string> arguments = Arguments(runs, name, std::move(settings), file);
  arguments.insert(arguments.begin(), "run");
  const CommandOutput output = RunMillrace(arguments);
  EXPECT_EQ(output.exit_code, expected_exit) << output.out << output.err;
  return ReadJson(runs / name / "summary.json");
}

void ExpectExactAccounting(const json& summary) {
  ASSERT_FALSE(summary["streams"].empty());
  for (const auto& [stream, counts] : summary["streams"].items()) {
    for (const json& unit : {counts, counts["env_steps"]}) {
      uint64_t dropped = 0;
      for (const auto& [reason, count] : unit["dropped"].items()) dropped += count.get<uint64_t>();
      EXPECT_EQ(unit["produced"].get<uint64_t>(),
                unit["trained"].get<uint64_t>() + dropped + unit["in_flight"].get<uint64_t>())
          << stream << ": " << counts.dump();
      EXPECT_EQ(unit["duplicates"].get<uint64_t>(), 0u);
    }
    EXPECT_EQ(counts["in_flight"].get<uint64_t>(), 0u)
        << "a run that ends in order drains its streams";
  }
}

void ExpectNothingLeft(const fs::path& run) {
  EXPECT_FALSE(fs::exists(RunPaths(run).shm())) << "shared-memory segments are left";
  for (const auto& [name, path] : ListLedgers(run / "ledger")) {
    const auto ledger = Ledger::Read(path);
    EXPECT_FALSE(ledger.ok() && IsAlive(ledger->identity.process)) << path;
  }
}

}  // namespace millrace
