// model.safetensors: the weight blobs of a run's policies as named tensors.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "checkpoint/checkpoint_store.h"
#include "checkpoint/safetensors.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

inline constexpr char kModelFile[] = "model.safetensors";

// Appends the entries of `blob` as "POLICY.NAME"; they point into it.
void AppendWeights(const std::string& policy, const ParameterLayout& layout,
                   std::span<const std::byte> blob, std::vector<NamedTensor>& tensors);

// The blob of one policy. kDataLoss if a tensor is missing, kInvalidArgument if its shape differs
// from the layout's.
absl::StatusOr<std::vector<std::byte>> ReadWeights(const Checkpoint& checkpoint,
                                                   const std::string& policy,
                                                   const ParameterLayout& layout);

}  // namespace millrace
