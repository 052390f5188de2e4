#include "cli/millrace/dataflow_bench.h"

#include <spdlog/fmt/fmt.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/millrace/check_experiment.h"
#include "cli/millrace/run_directory.h"
#include "env/env_cli.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

struct RunFigures {
  double steps_per_second = 0;
  double steps_per_cpu_second = 0;
};

absl::StatusOr<RunFigures> RunOnce(const fs::path& binary, const fs::path& runs,
                                   const std::string& name, const DataflowBenchOptions& options,
                                   const std::string& inference) {
  std::vector<std::string> arguments = {binary.string(), "run",        options.config,
                                        "--name",        name,         "--runs-dir",
                                        runs.string(),   "--progress", "none"};
  for (const std::string& set : options.set) arguments.insert(arguments.end(), {"--set", set});
  arguments.insert(arguments.end(),
                   {"--set", fmt::format("stop={{env_steps: {}}}", options.env_steps), "--set",
                    "workers.actor.inference=" + inference});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return absl::ResourceExhaustedError("cannot start a run");
  if (child == 0) {
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::ifstream file(runs / name / "summary.json");
  const auto summary = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!summary.is_object() || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::InternalError(fmt::format("the run {} failed", name));
  }
  return RunFigures{summary.value("steps_per_second", 0.0),
                    summary.value("steps_per_cpu_second", 0.0)};
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
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

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunDataflowBench(const DataflowBenchOptions& options) {
  MILLRACE_ASSIGN_OR_RETURN(const fs::path binaries, BinariesDirectory());
  std::string pattern = (fs::temp_directory_path() / "millrace-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return absl::ResourceExhaustedError("cannot make a temporary directory");
  }
  const fs::path runs = pattern;
  std::map<std::string, std::map<std::string, std::vector<double>>> samples;
  absl::Status failed;
  for (int run = 0; run < options.runs && failed.ok(); ++run) {
    for (const std::string inference : {"remote", "inline"}) {
      const auto figures = RunOnce(binaries / "millrace", runs,
                                   fmt::format("{}-{}", inference, run), options, inference);
      if (!figures.ok()) {
        failed = figures.status();
        break;
      }
      samples[inference]["steps_per_second"].push_back(figures->steps_per_second);
      samples[inference]["steps_per_cpu_second"].push_back(figures->steps_per_cpu_second);
    }
  }
  std::error_code ignored;
  fs::remove_all(runs, ignored);
  MILLRACE_RETURN_IF_ERROR(failed);
  MILLRACE_ASSIGN_OR_RETURN(const double roof, PureStepping(options));
  const std::string name = fs::path(options.config).stem().string();
  std::vector<BenchRow> rows;
  for (const auto& [inference, figures] : samples) {
    for (const auto& [figure, values] : figures) {
      rows.push_back({fmt::format("dataflow/{}_{}/{}", name, inference, figure),
                      "environment steps/s", Median(values), "pure stepping, one thread", roof,
                      values});
    }
  }
  return rows;
}

}  // namespace millrace
