#include "cli/millrace/dataflow_bench.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/millrace/check_experiment.h"
#include "cli/millrace/programs.h"
#include "cli/millrace/trial_run.h"
#include "env/env_cli.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

struct Figures {
  double steps_per_second = 0;
  double steps_per_cpu_second = 0;
};

// One way to run the experiment.
struct Arm {
  std::string name;
  std::vector<std::string> set;
};

const std::vector<Arm>& Arms() {
  static const std::vector<Arm> arms = {
      {"remote_native", {"workers.actor.inference=remote", "backend.type=native"}},
      {"remote_dense", {"workers.actor.inference=remote", "backend.type=dense"}},
      {"inline_native", {"workers.actor.inference=inline", "backend.type=native"}},
      {"inline_dense", {"workers.actor.inference=inline", "backend.type=dense"}},
  };
  return arms;
}

std::vector<std::string> Overrides(const DataflowBenchOptions& options, const Arm& arm) {
  std::vector<std::string> set = options.set;
  set.push_back(fmt::format("stop={{env_steps: {}}}", options.env_steps));
  set.insert(set.end(), arm.set.begin(), arm.set.end());
  return set;
}

absl::StatusOr<Figures> RunArm(const fs::path& runs, int run, const DataflowBenchOptions& options,
                               const Arm& arm) {
  MILLRACE_ASSIGN_OR_RETURN(const auto summary, RunTrial(runs, fmt::format("{}-{}", arm.name, run),
                                                         options.config, Overrides(options, arm)));
  return Figures{summary.value("steps_per_second", 0.0),
                 summary.value("steps_per_cpu_second", 0.0)};
}

// Null if there is no such arm for this experiment.
absl::StatusOr<std::optional<Figures>> RunSingleProcess(const fs::path& runs,
                                                        const DataflowBenchOptions& options) {
  const fs::path result = runs / "single_process.json";
  std::vector<std::string> arguments = {"bench-single-process", options.config, "--json",
                                        result.string()};
  for (const std::string& set : Overrides(options, {})) {
    arguments.insert(arguments.end(), {"--set", set});
  }
  MILLRACE_ASSIGN_OR_RETURN(const int code, RunTorch(arguments));
  MILLRACE_ASSIGN_OR_RETURN(const auto json, ReadTrialResult(result, "single process", code));
  if (json.contains("unsupported")) return std::nullopt;
  const double steps = json.value("env_steps", 0.0);
  return Figures{steps / json.value("seconds", 1.0), steps / json.value("cpu_seconds", 1.0)};
}

absl::StatusOr<double> PureStepping(const DataflowBenchOptions& options) {
  MILLRACE_ASSIGN_OR_RETURN(const auto overrides, ParseOverrides(options.set));
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig config,
                            LoadExperiment(options.config, overrides));
  Registry registry = BuiltinRegistry();
  MILLRACE_RETURN_IF_ERROR(CheckWithoutTorch(config, registry));
  std::vector<std::unique_ptr<VectorEnvironment>> groups;
  MILLRACE_ASSIGN_OR_RETURN(
      groups.emplace_back(),
      registry.MakeVectorEnvironment(config.environment.type, config.environment.options,
                                     config.actor.environments / config.actor.groups));
  MILLRACE_ASSIGN_OR_RETURN(const EnvBenchResult result,
                            BenchEnvironment(groups, std::chrono::duration<double>(0.5)));
  return result.steps_per_second();
}

using Samples = std::vector<Figures>;

std::vector<double> Column(const Samples& samples, double Figures::*figure) {
  std::vector<double> column;
  for (const Figures& sample : samples) column.push_back(sample.*figure);
  return column;
}

absl::Status Measure(const fs::path& runs, const DataflowBenchOptions& options,
                     std::map<std::string, Samples>& arms, Samples& single_process) {
  for (int run = 0; run < options.runs; ++run) {
    MILLRACE_ASSIGN_OR_RETURN(const auto single, RunSingleProcess(runs, options));
    if (single) single_process.push_back(*single);
    for (const Arm& arm : Arms()) {
      MILLRACE_ASSIGN_OR_RETURN(arms[arm.name].emplace_back(), RunArm(runs, run, options, arm));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunDataflowBench(const DataflowBenchOptions& options) {
  MILLRACE_ASSIGN_OR_RETURN(const auto directory, TrialDirectory::Make());
  std::map<std::string, Samples> arms;
  Samples single_process;
  MILLRACE_RETURN_IF_ERROR(Measure(directory->path(), options, arms, single_process));
  MILLRACE_ASSIGN_OR_RETURN(const double roof, PureStepping(options));
  const std::string config = fs::path(options.config).stem().string();
  std::vector<BenchRow> rows;
  for (const auto& [arm, samples] : arms) {
    const std::string prefix = fmt::format("dataflow/{}_{}/", config, arm);
    for (const auto& [name, figure] : {std::pair{"steps_per_second", &Figures::steps_per_second},
                                       {"steps_per_cpu_second", &Figures::steps_per_cpu_second}}) {
      if (single_process.empty()) continue;
      const std::vector<double> values = Column(samples, figure);
      rows.push_back({prefix + name, "environment steps/s", Median(values),
                      "one process, eager LibTorch", Median(Column(single_process, figure)),
                      values});
    }
    std::vector<double> shares = Column(samples, &Figures::steps_per_second);
    for (double& share : shares) share /= roof;
    rows.push_back({prefix + "roof_share", "of pure stepping in one thread", Median(shares),
                    "pure stepping", 1, shares});
  }
  return rows;
}

}  // namespace millrace
