#include "cli/common/evaluate_command.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "checkpoint/checkpoint_store.h"
#include "millrace/core/status.h"
#include "workers/evaluation/evaluator.h"

namespace millrace {
namespace {

using nlohmann::json;

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

// One line of numbers for the first agent of each policy.
std::string Frame(const EnvironmentBuffers::Part& part) {
  std::string line = "observation";
  for (const TensorView& view : part.observation) {
    if (view.dtype != DType::kFloat32) continue;
    for (float value :
         view[0].As<float>().first(std::min<size_t>(8, static_cast<size_t>(view[0].size())))) {
      line += fmt::format(" {:+.3f}", value);
    }
  }
  if (!part.discrete.empty()) line += fmt::format("  action {}", part.discrete[0]);
  if (!part.continuous.empty()) line += fmt::format("  action {:+.3f}", part.continuous[0]);
  return line + fmt::format("  reward {:+.2f}", part.reward[0]);
}

// A cart on its track, for people to watch.
std::string CartPoleFrame(const EnvironmentBuffers::Part& part) {
  const auto observation = part.observation.front()[0].As<float>();
  constexpr int kWidth = 61;
  std::string track(kWidth, '.');
  const int cart =
      std::clamp(static_cast<int>((observation[0] + 2.4f) / 4.8f * (kWidth - 1)), 0, kWidth - 1);
  const float angle = observation[observation.size() > 2 ? 2 : 1];
  track[static_cast<size_t>(cart)] = angle < -0.03f ? '\\' : angle > 0.03f ? '/' : '|';
  return track + fmt::format("  x {:+.2f}  angle {:+.3f}", observation[0], angle);
}

}  // namespace

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
  std::printf("%s\n", report.dump().c_str());
  if (!arguments.json.empty() && arguments.json != "-") {
    std::ofstream file(arguments.json);
    file << report.dump(2) << "\n";
    if (!file) return absl::ResourceExhaustedError("cannot write " + arguments.json);
  }
  return absl::OkStatus();
}

absl::Status RunPlay(const EvalArguments& arguments, const ExperimentConfig& config,
                     const RunPaths& paths, const Registry& registry,
                     const InferenceModelFactory& make_model) {
  MILLRACE_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                            ReadCheckpoint(paths, arguments.checkpoint));
  EvaluationOptions options = OptionsFrom(arguments);
  options.episodes = 1;
  options.environments = 1;
  const bool cartpole = config.environment.type == "cartpole";
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  int64_t step = 0;
  options.on_step = [&](const EnvironmentBuffers& buffers, bool ended) {
    const auto& part = buffers.parts().front();
    if (ended) return;  // the observation is already the next episode's
    std::printf("%s%5ld  %s%s", terminal ? "\r" : "", static_cast<long>(++step),
                (cartpole ? CartPoleFrame(*part) : Frame(*part)).c_str(), terminal ? "" : "\n");
    std::fflush(stdout);
    if (terminal) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  MILLRACE_ASSIGN_OR_RETURN(const EvaluationResult result,
                            Evaluate(config, checkpoint, registry, make_model, options));
  std::printf("\nreturn %.1f in %.0f steps (train step %lu)\n", result.all.return_mean,
              result.all.length_mean, static_cast<unsigned long>(result.train_steps));
  return absl::OkStatus();
}

}  // namespace millrace
