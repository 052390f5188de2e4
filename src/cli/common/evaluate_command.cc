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

template <typename T>
void AppendNumbers(std::string& line, std::span<const T> values) {
  constexpr size_t kMost = 12;
  for (size_t i = 0; i < std::min(kMost, values.size()); ++i) {
    line += fmt::format(" {:+.4g}", static_cast<double>(values[i]));
  }
  if (values.size() > kMost) line += " ...";
}

void AppendField(std::string& line, const TensorView& row) {
  switch (row.dtype) {
    case DType::kFloat32:
      return AppendNumbers<float>(line, row.As<float>());
    case DType::kFloat64:
      return AppendNumbers<double>(line, row.As<double>());
    case DType::kInt32:
      return AppendNumbers<int32_t>(line, row.As<int32_t>());
    case DType::kInt64:
      return AppendNumbers<int64_t>(line, row.As<int64_t>());
    case DType::kUInt8:
      return AppendNumbers<uint8_t>(line, row.As<uint8_t>());
  }
}

// One agent's action, what it was paid, and what it saw then.
std::string Frame(const EnvironmentBuffers::Part& part, size_t row, bool ended) {
  const size_t parts = part.discrete.size() / static_cast<size_t>(part.rows);
  const size_t reals = part.continuous.size() / static_cast<size_t>(part.rows);
  std::string line = "action";
  AppendNumbers<int32_t>(line, std::span(part.discrete).subspan(row * parts, parts));
  AppendNumbers<float>(line, std::span(part.continuous).subspan(row * reals, reals));
  line += fmt::format("  reward {:+.3g}  observation", part.reward[row]);
  for (const TensorView& view : ended ? part.final_observation : part.observation) {
    AppendField(line, view[static_cast<int64_t>(row)]);
  }
  return line;
}

// A cart on its track, for people to watch.
std::string CartPoleFrame(const EnvironmentBuffers::Part& part, size_t row, bool ended) {
  const auto& views = ended ? part.final_observation : part.observation;
  const auto observation = views.front()[static_cast<int64_t>(row)].As<float>();
  constexpr int kWidth = 61;
  std::string track(kWidth, '.');
  const int cart =
      std::clamp(static_cast<int>((observation[0] + 2.4f) / 4.8f * (kWidth - 1)), 0, kWidth - 1);
  const float angle = observation[observation.size() > 2 ? 2 : 1];
  track[static_cast<size_t>(cart)] = angle < -0.03f ? '\\' : angle > 0.03f ? '/' : '|';
  return track + fmt::format("  x {:+.2f}  angle {:+.3f}", observation[0], angle);
}

// Prints every agent of the one environment, and whether its episode ended.
void ShowStep(const EnvironmentBuffers& buffers, const ExperimentConfig& config, int64_t step) {
  const bool cartpole = config.environment.type.ends_with("cartpole");
  size_t rows = 0;
  for (const auto& part : buffers.parts()) rows += static_cast<size_t>(part->rows);
  const bool in_place = rows == 1 && ::isatty(STDOUT_FILENO) != 0;
  for (size_t p = 0; p < buffers.parts().size(); ++p) {
    const EnvironmentBuffers::Part& part = *buffers.parts()[p];
    for (size_t row = 0; row < static_cast<size_t>(part.rows); ++row) {
      const bool ended = part.terminated[row] != 0 || part.truncated[row] != 0;
      if (!ended && part.present[row] == 0) continue;
      std::printf("%s%5ld  ", in_place ? "\r" : "", static_cast<long>(step));
      if (rows > 1) std::printf("%s %zu  ", config.policies[p].name.c_str(), row);
      std::printf("%s%s%s", (cartpole ? CartPoleFrame : Frame)(part, row, ended).c_str(),
                  part.terminated[row] != 0  ? "  terminated"
                  : part.truncated[row] != 0 ? "  truncated"
                                             : "",
                  in_place ? "" : "\n");
    }
  }
  std::fflush(stdout);
  if (in_place) std::this_thread::sleep_for(std::chrono::milliseconds(20));
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
  int64_t step = 0;
  options.on_step = [&](const EnvironmentBuffers& buffers) { ShowStep(buffers, config, ++step); };
  MILLRACE_ASSIGN_OR_RETURN(const EvaluationResult result,
                            Evaluate(config, checkpoint, registry, make_model, options));
  std::printf("\nreturn %.1f in %.0f steps (train step %lu)\n", result.all.return_mean,
              result.all.length_mean, static_cast<unsigned long>(result.train_steps));
  return absl::OkStatus();
}

}  // namespace millrace
