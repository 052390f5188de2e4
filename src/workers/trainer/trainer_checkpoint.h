// What a trainer writes into a checkpoint and reads back.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "checkpoint/checkpoint_store.h"
#include "config/experiment.h"
#include "data/ledger.h"
#include "millrace/backends/backend.h"
#include "workers/common/actor_snapshots.h"

namespace millrace {

// One policy's part.
struct PolicyPart {
  std::string policy;
  uint64_t batch = 0;        // batches in its lineage
  uint64_t train_steps = 0;  // lifetime batches, lost ones included
  uint64_t version = 0;
  SegmentCount trained;            // by rank 0 (all ranks train the same number of a batch)
  std::vector<LaneMark> marks;     // consumed high-water marks of rank 0
  std::vector<std::byte> weights;  // the blob
  std::map<std::string, torch::Tensor> optimizer;
  ActorSnapshots snapshots;  // deterministic runs
};

// Tensor names begin with the policy's name. `train_steps` of the checkpoint is the sum over
// policies.
absl::StatusOr<Checkpoint> EncodeCheckpoint(const std::vector<PolicyPart>& parts,
                                            const std::map<std::string, ParameterLayout>& layouts,
                                            uint64_t seed);
// Gives `backend`, as it begins, what a policy with init_from (RUN@STEP, a path) begins with: the
// weights and running means of the source's policy, but for what init_except names. kNotFound or
// kInvalidArgument if there is no policy that fits.
absl::Status TakeInitialPart(const PolicyConfig& policy, Backend& backend);
// kNotFound if the policy is not in it, kDataLoss or kInvalidArgument if it does not fit the
// layout.
absl::StatusOr<PolicyPart> DecodePart(const Checkpoint& checkpoint, const std::string& policy,
                                      const ParameterLayout& layout);

}  // namespace millrace
