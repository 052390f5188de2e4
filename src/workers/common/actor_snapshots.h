// Deterministic runs: the state of every environment group at a batch boundary, in the checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "checkpoint/checkpoint_store.h"
#include "config/experiment.h"
#include "millrace/registry/registry.h"
#include "workers/common/agent_assignment.h"

namespace millrace {

// (actor, group) -> what that group put into its last segment.
using ActorSnapshots = std::map<std::pair<uint32_t, uint32_t>, std::string>;

inline constexpr char kActorSnapshotsFile[] = "actors.safetensors";
absl::StatusOr<std::string> EncodeActorSnapshots(const ActorSnapshots& snapshots);
absl::StatusOr<ActorSnapshots> DecodeActorSnapshots(std::string file);
// None in a run's first checkpoint, which is written before any batch is trained.
absl::StatusOr<ActorSnapshots> ReadActorSnapshots(const Checkpoint& checkpoint);

// Bytes that a segment reserves for a snapshot: 0 unless the run is deterministic and somebody
// acts. Producer and consumer compute the same number from the same experiment. kInvalidArgument if
// the environment cannot save its state.
absl::StatusOr<uint32_t> SnapshotCapacity(const Registry& registry, const ExperimentConfig& config,
                                          const AgentAssignment& assignment,
                                          int64_t state_size_sum);

}  // namespace millrace
