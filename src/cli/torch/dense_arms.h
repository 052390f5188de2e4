// Dense products and training steps in LibTorch: what `millrace bench nm_sparse` compares with.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/torch/interleaved_arms.h"
#include "millrace/models/torch.h"

namespace millrace {

// The same on a GPU until it is done. Instead of oneDNN: float32 whose products round their inputs
// to TF32, 10 bits of precision.
std::vector<BenchArm> DenseGpuProducts(int64_t rows, int64_t in, int64_t out, torch::Device device);
std::vector<BenchArm> DenseGpuSteps(int64_t rows, int64_t width, torch::Device device);

// y [rows, out] = x [rows, in] W^T, W [out, in], rows of x and y float32 or bfloat16 as the weights
// are: float32 as LibTorch calls it, float32 by oneDNN, bfloat16.
std::vector<BenchArm> DenseProducts(int64_t rows, int64_t in, int64_t out);

// A step of an mlp 64 - width - width - width - 16 with ReLU: forward, mean squared error,
// backward, clipping by the global norm, fused Adam; by autograd. `fp32`: torch::nn::Linear as it
// is; `fp32_onednn`: the same layers by oneDNN; `bf16`: as under autocast, float32 master weights.
std::vector<BenchArm> DenseSteps(int64_t rows, int64_t width);

// Its forward pass alone, weights of `bf16` rounded before.
std::vector<BenchArm> DenseInference(int64_t rows, int64_t width);

}  // namespace millrace
