// A user's own LibTorch module on the acting side.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "millrace/inference/inference_model.h"
#include "millrace/models/policy.h"

namespace millrace {

// kInvalidArgument if its outputs do not fit (CheckPolicyOutputs). Runs `policy` without gradients
// on the device its parameters are on. Value outputs of a user's module are taken to be in reward
// units: one that normalises values has to undo that itself.
absl::StatusOr<std::unique_ptr<InferenceModel>> MakeTorchInferenceModel(
    std::shared_ptr<Policy> policy, const ObservationSpec& observation, const ActionSpec& action);

}  // namespace millrace
