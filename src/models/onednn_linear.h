// Fully connected layers by oneDNN where LibTorch's own choice is slow.
#pragma once

#include <cstdint>
#include <optional>

#include "millrace/models/torch.h"

namespace millrace {

// x [rows, in] W^T + b, W [out, in] contiguous, whatever LibTorch would choose. On the CPU, without
// gradient. Thread-compatible.
torch::Tensor OneDnnLinear(const torch::Tensor& x, const torch::Tensor& weight,
                           const std::optional<torch::Tensor>& bias);

// Which float32 products of this size oneDNN computes faster on this processor. LibTorch's are
// MKL's, which takes AMD's processors for such as have no AVX-512: where that works in full width
// (family 26, measured: 2.1 times) all products gain, where in half width the forward one alone
// (1.1 times, one thread of family 25), since the others have to be transposed before.
struct OneDnnProducts {
  bool forward = false;
  bool gradients = false;
};
OneDnnProducts OneDnnProductsOf(int64_t rows, int64_t in, int64_t out);

// x [..., in] W^T + b with gradients, by whichever is faster.
torch::Tensor Linear(const torch::Tensor& x, const torch::Tensor& weight,
                     const torch::Tensor& bias);
// On the CPU, gradients by oneDNN only if the product is.
torch::Tensor Linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     const OneDnnProducts& by_onednn);

}  // namespace millrace
