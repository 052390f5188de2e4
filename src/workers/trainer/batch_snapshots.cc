#include "workers/trainer/batch_snapshots.h"

#include <cstring>
#include <string>
#include <utility>

#include "millrace/core/status.h"

namespace millrace {
namespace {

ActorSnapshots SnapshotsOf(const SampleBatch& batch) {
  ActorSnapshots snapshots;
  for (const ReceivedSegment& segment : batch.segments) {
    if (segment.snapshot.empty()) continue;
    // Segments of one group are in the order of their sequence numbers: the last one counts.
    snapshots[{segment.header.producer, segment.header.group}] = std::string(
        reinterpret_cast<const char*>(segment.snapshot.data()), segment.snapshot.size());
  }
  return snapshots;
}

}  // namespace

absl::StatusOr<ActorSnapshots> GatherSnapshots(const SampleBatch& batch, Collectives& group) {
  ActorSnapshots snapshots = SnapshotsOf(batch);
  if (group.size() == 1) return snapshots;
  MILLRACE_ASSIGN_OR_RETURN(const std::string own, EncodeActorSnapshots(snapshots));
  torch::Tensor sizes = torch::zeros({group.size()}, torch::kInt64);
  sizes[group.rank()] = static_cast<int64_t>(own.size());
  MILLRACE_RETURN_IF_ERROR(group.AllReduceSum(sizes));
  // Each rank fills its own row and all others are zero: the sum is the collection.
  torch::Tensor rows = torch::zeros({group.size(), sizes.max().item<int64_t>()}, torch::kUInt8);
  std::memcpy(rows[group.rank()].data_ptr(), own.data(), own.size());
  MILLRACE_RETURN_IF_ERROR(group.AllReduceSum(rows));
  for (int rank = 0; rank < group.size(); ++rank) {
    if (rank == group.rank()) continue;
    std::string file(static_cast<const char*>(rows[rank].data_ptr()),
                     static_cast<size_t>(sizes[rank].item<int64_t>()));
    MILLRACE_ASSIGN_OR_RETURN(ActorSnapshots others, DecodeActorSnapshots(std::move(file)));
    snapshots.merge(others);
  }
  return snapshots;
}

}  // namespace millrace
