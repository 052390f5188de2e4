// Where LibTorch computes: `workers.policy.device` and `workers.trainer.device`.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "millrace/models/policy.h"
#include "millrace/models/torch.h"

namespace millrace {

// "cpu", "cuda:N", or "auto": the first CUDA device if there is one. kResourceExhausted if it is
// not there, with what is.
absl::StatusOr<torch::Device> FindDevice(const std::string& name);

// Where the module's parameters are; the CPU if it has none.
torch::Device DeviceOf(const Policy& policy);

}  // namespace millrace
