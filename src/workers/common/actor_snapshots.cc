#include "workers/common/actor_snapshots.h"

#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <vector>

#include "checkpoint/safetensors.h"
#include "millrace/core/status.h"
#include "workers/common/environment_buffers.h"

namespace millrace {

absl::StatusOr<std::string> EncodeActorSnapshots(const ActorSnapshots& snapshots) {
  std::vector<NamedTensor> tensors;
  for (const auto& [key, bytes] : snapshots) {
    tensors.push_back({.name = fmt::format("actor.{}.group.{}", key.first, key.second),
                       .dtype = DType::kUInt8,
                       .shape = {static_cast<int64_t>(bytes.size())},
                       .bytes = std::as_bytes(std::span(bytes))});
  }
  return EncodeSafetensors(tensors);
}

absl::StatusOr<ActorSnapshots> DecodeActorSnapshots(std::string file) {
  MILLRACE_ASSIGN_OR_RETURN(const Safetensors decoded, DecodeSafetensors(std::move(file)));
  ActorSnapshots snapshots;
  for (const NamedTensor& tensor : decoded.tensors) {
    uint32_t actor = 0, group = 0;
    if (std::sscanf(tensor.name.c_str(), "actor.%u.group.%u", &actor, &group) != 2) {
      return absl::DataLossError(
          fmt::format("{}: unexpected tensor \"{}\"", kActorSnapshotsFile, tensor.name));
    }
    snapshots[{actor, group}] =
        std::string(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return snapshots;
}

absl::StatusOr<ActorSnapshots> ReadActorSnapshots(const Checkpoint& checkpoint) {
  const auto file = checkpoint.files.find(kActorSnapshotsFile);
  if (file == checkpoint.files.end()) return ActorSnapshots();
  return DecodeActorSnapshots(file->second);
}

absl::StatusOr<uint32_t> SnapshotCapacity(const Registry& registry, const ExperimentConfig& config,
                                          const AgentAssignment& assignment,
                                          int64_t state_size_sum) {
  if (!config.deterministic || config.reads_dataset()) return 0;
  const int environments = config.segment_environments();
  MILLRACE_ASSIGN_OR_RETURN(
      const auto environment,
      registry.MakeVectorEnvironment(config.environment.type, config.environment.options,
                                     environments, config.environment.where));
  EnvironmentBuffers buffers(assignment, environments);
  MILLRACE_RETURN_IF_ERROR(
      environment->Reset(config.seed, 0, assignment.agent_policies, buffers.rows()));
  const auto state = environment->SaveState();
  if (!state.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("deterministic: environment \"{}\" cannot save its state: {}",
                    config.environment.type, std::string(state.status().message())));
  }
  size_t rows = 0;
  for (const PolicyAgents& policy : assignment.policies) {
    rows += static_cast<size_t>(environments * policy.agents);
  }
  constexpr size_t kBytesPerRow = 16;  // flags, return and length of the episode under way
  constexpr size_t kSlack = 4096;      // lengths and counters
  // Twice the state: an environment may grow a little, for example a list of objects.
  return static_cast<uint32_t>(2 * state->size() + kSlack +
                               rows * (kBytesPerRow + 4 * static_cast<size_t>(state_size_sum)));
}

}  // namespace millrace
