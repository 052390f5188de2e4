// Deterministic runs: the snapshots that a batch's segments carry, from every rank.
#pragma once

#include "absl/status/statusor.h"
#include "millrace/backends/backend.h"
#include "workers/common/actor_snapshots.h"
#include "workers/trainer/sample_batch.h"

namespace millrace {

// `batch` is this rank's share; every rank gets the snapshots of all shares. Every rank calls it
// with its share of the same batch. kUnavailable: a peer is lost.
absl::StatusOr<ActorSnapshots> GatherSnapshots(const SampleBatch& batch, Collectives& group);

}  // namespace millrace
