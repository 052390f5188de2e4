// What `millrace bench nm_sparse --device cuda:N` measures of the N:M-sparse backend.
#pragma once

#include <cstdint>
#include <functional>

#include "inference/sparsity.h"
#include "millrace/models/torch.h"

namespace millrace {

// A square layer's forward product in bfloat16, its weights compressed before; null if there is no
// sparse product for it.
std::function<void()> MakeGpuProduct(int64_t rows, int64_t width, const sparse::Pattern& pattern,
                                     torch::Device device);

// A training step of the mlp of DenseGpuSteps(), by the backend; its hidden layers but the first
// are sparse, with weights that stay chosen.
std::function<void()> MakeGpuStep(int64_t rows, int64_t width, const Sparsity& sparsity,
                                  torch::Device device);

}  // namespace millrace
