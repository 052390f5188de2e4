// Joins the parts that the trainer groups of several policies write into one checkpoint.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "checkpoint/checkpoint_store.h"

namespace millrace {

// Files of the same name are safetensors and get the tensors of all parts (names begin with the
// policy's, so they differ); `policies` of the manifests are united; train_steps are added.
// kDataLoss if a part is malformed, kInvalidArgument if two parts hold the same tensor.
absl::StatusOr<Checkpoint> MergeCheckpoints(const std::vector<Checkpoint>& parts);

}  // namespace millrace
