// model.safetensors: the weight blobs of a run's policies as named tensors.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "checkpoint/checkpoint_store.h"
#include "checkpoint/safetensors.h"
#include "config/experiment.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

inline constexpr char kModelFile[] = "model.safetensors";

// Appends the entries of `blob` as "POLICY.NAME"; they point into it.
void AppendWeights(const std::string& policy, const ParameterLayout& layout,
                   std::span<const std::byte> blob, std::vector<NamedTensor>& tensors);

// Which policy of a checkpoint `policy` begins with: init_policy, or the one of its name, or the
// only one. kNotFound if there is none. `manifest_json`: Checkpoint's.
absl::StatusOr<std::string> SourcePolicy(const PolicyConfig& policy,
                                         const std::string& manifest_json);

// Replaces what is in the blob of one policy, whose entries are called "POLICY.NAME" in the file;
// those of which `wanted` says no stay as they are. kDataLoss if a tensor is missing,
// kInvalidArgument if its shape differs from the layout's.
absl::Status TakeWeights(const Checkpoint& checkpoint, const std::string& policy,
                         const ParameterLayout& layout,
                         const std::function<bool(const std::string& name)>& wanted,
                         std::span<std::byte> blob);

// The blob of one policy. kDataLoss if a tensor is missing, kInvalidArgument if its shape differs
// from the layout's.
absl::StatusOr<std::vector<std::byte>> ReadWeights(const Checkpoint& checkpoint,
                                                   const std::string& policy,
                                                   const ParameterLayout& layout);

}  // namespace millrace
