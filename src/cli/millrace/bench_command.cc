// `millrace bench`: figures with their roof or rival beside them.
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/common/exit_code.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/dataflow_bench.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

absl::Status Print(const std::vector<BenchRow>& rows, const std::string& json) {
  nlohmann::json list = nlohmann::json::array();
  for (const BenchRow& row : rows) {
    list.push_back({{"name", row.name},
                    {"unit", row.unit},
                    {"value", row.value},
                    {"baseline", row.baseline},
                    {"baseline_value", row.baseline_value},
                    {"ratio", row.baseline_value > 0 ? row.value / row.baseline_value : 0.0},
                    {"samples", row.samples}});
  }
  if (json == "-") {
    std::printf("%s\n", list.dump().c_str());
    return absl::OkStatus();
  }
  for (const BenchRow& row : rows) {
    std::printf("%-52s %12.6g %-30s %6.3g of %s (%.6g), median of %zu\n", row.name.c_str(),
                row.value, row.unit.c_str(),
                row.baseline_value > 0 ? row.value / row.baseline_value : 0.0, row.baseline.c_str(),
                row.baseline_value, row.samples.size());
  }
  if (json.empty()) return absl::OkStatus();
  std::ofstream file(json);
  file << list.dump(2) << "\n";
  return file ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write " + json);
}

absl::Status Run(const DataflowBenchOptions& options, const std::string& json) {
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<BenchRow> rows, RunDataflowBench(options));
  return Print(rows, json);
}

}  // namespace

void AddBenchCommand(CLI::App& app, int& exit_code) {
  auto* bench =
      app.add_subcommand("bench", "Benchmarks; each prints its roof or rival from the same run.");
  bench->require_subcommand(1);
  auto* command = bench->add_subcommand(
      "dataflow", "Environment steps per wall and CPU second of whole runs, learning included.");
  auto options = std::make_shared<DataflowBenchOptions>();
  auto json = std::make_shared<std::string>();
  command->add_option("--config", options->config, "experiment (YAML)")->capture_default_str();
  command->add_option("--runs", options->runs, "runs of each arm, interleaved; the median counts")
      ->capture_default_str();
  command->add_option("--env-steps", options->env_steps, "length of one run")
      ->capture_default_str();
  command->add_option("--set", options->set, "override a value: a.b=c")->allow_extra_args(false);
  command->add_option("--json", *json,
                      "write the result to this file; - for JSON alone on standard output");
  command->footer("Example: millrace bench dataflow --runs 3");
  command->callback([options, json, &exit_code] {
    const absl::Status status = Run(*options, *json);
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

}  // namespace millrace
