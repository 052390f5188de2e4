#include "cli/common/evaluate_command.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "cli/common/json_output.h"
#include "millrace/core/status.h"
#include "workers/evaluation/evaluator.h"

namespace millrace {
namespace {

using nlohmann::json;

json ToJson(const EpisodeStatistics& statistics) {
  return {{"episodes", statistics.episodes},     {"return_mean", statistics.return_mean},
          {"return_std", statistics.return_std}, {"return_min", statistics.return_min},
          {"return_max", statistics.return_max}, {"length_mean", statistics.length_mean}};
}

EvaluationOptions OptionsFrom(const EvalArguments& arguments) {
  EvaluationOptions options;
  options.episodes = arguments.episodes;
  options.sample = arguments.sample;
  options.seed = arguments.seed;
  return options;
}

}  // namespace

absl::StatusOr<Checkpoint> ReadCheckpoint(const RunPaths& paths, const std::string& which) {
  MILLRACE_ASSIGN_OR_RETURN(const auto store, CheckpointStore::Open(paths.checkpoints()));
  if (which == "latest") {
    auto newest = store.ReadNewest();
    if (!newest.ok()) return WithContext(newest.status(), paths.checkpoints().string());
    return newest;
  }
  char* end = nullptr;
  const uint64_t step = std::strtoull(which.c_str(), &end, 10);
  if (which.empty() || *end != '\0') {
    return absl::InvalidArgumentError(
        fmt::format("--checkpoint: expected latest or a train step, got \"{}\"", which));
  }
  auto checkpoint = store.Read(step);
  if (checkpoint.ok()) return checkpoint;
  return WithContext(checkpoint.status(),
                     fmt::format("there are checkpoints {}", json(store.List()).dump()));
}

void AddFrozenPolicyOptions(CLI::App& command, FrozenPolicyArguments& arguments) {
  command.add_option("run", arguments.run, "run directory, or its name below runs/")->required();
  command.add_option("--checkpoint", arguments.checkpoint, "latest, or a train step")
      ->capture_default_str();
  command.add_flag("--sample", arguments.sample,
                   "draw actions instead of taking the most likely ones");
}

std::vector<std::string> CommandLine(const std::string& command,
                                     const FrozenPolicyArguments& arguments) {
  std::vector<std::string> line = {command,        arguments.run,
                                   "--checkpoint", arguments.checkpoint,
                                   "--seed",       std::to_string(arguments.seed)};
  if (arguments.sample) line.push_back("--sample");
  return line;
}

void AddOptions(CLI::App& command, EvalArguments& arguments) {
  AddFrozenPolicyOptions(command, arguments);
  command.add_option("--episodes", arguments.episodes, "how many")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option("--samples", arguments.samples, "how many of a dataset, held out")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option("--seed", arguments.seed, "of the episodes")->capture_default_str();
  command.add_option("--json", arguments.json, "also write the result to this file");
}

std::vector<std::string> CommandLine(const EvalArguments& arguments) {
  std::vector<std::string> line = CommandLine("eval", arguments);
  line.insert(line.end(), {"--episodes", std::to_string(arguments.episodes), "--samples",
                           std::to_string(arguments.samples)});
  if (!arguments.json.empty()) line.insert(line.end(), {"--json", arguments.json});
  return line;
}

bool HasNativeModels(const ExperimentConfig& config) {
  return std::ranges::all_of(config.policies, [](const PolicyConfig& policy) {
    return ModelSpec::IsBuiltinType(policy.model.type);
  });
}

absl::Status RunEval(const EvalArguments& arguments, const ExperimentConfig& config,
                     const RunPaths& paths, const Registry& registry,
                     const InferenceModelFactory& make_model) {
  MILLRACE_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                            ReadCheckpoint(paths, arguments.checkpoint));
  MILLRACE_ASSIGN_OR_RETURN(
      const EvaluationResult result,
      Evaluate(config, checkpoint, registry, make_model, OptionsFrom(arguments)));
  json report = ToJson(result.all);
  report["train_steps"] = result.train_steps;
  for (const auto& [policy, statistics] : result.policies) {
    report["policies"][policy] = ToJson(statistics);
  }
  return PrintJson(report, arguments.json);
}

}  // namespace millrace
