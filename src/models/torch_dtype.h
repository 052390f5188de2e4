// Element types of streams and checkpoints as LibTorch's.
#pragma once

#include "millrace/data/dtype.h"
#include "millrace/models/torch.h"

namespace millrace {

inline torch::ScalarType ToTorch(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return torch::kFloat32;
    case DType::kFloat64:
      return torch::kFloat64;
    case DType::kInt32:
      return torch::kInt32;
    case DType::kInt64:
      return torch::kInt64;
    case DType::kUInt8:
      return torch::kUInt8;
  }
  return torch::kFloat32;
}

// float32 for those that have no counterpart.
inline DType FromTorch(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat64:
      return DType::kFloat64;
    case torch::kInt32:
      return DType::kInt32;
    case torch::kInt64:
      return DType::kInt64;
    case torch::kUInt8:
      return DType::kUInt8;
    default:
      return DType::kFloat32;
  }
}

}  // namespace millrace
