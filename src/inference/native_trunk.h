// What lies between the features and the recurrent cell or the heads of a native model.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "inference/weight_blob.h"
#include "millrace/data/tensor_view.h"

namespace millrace {

// One network's input: `rows` observations.
struct TrunkInput {
  int64_t rows = 0;
  const float* features = nullptr;          // [rows, F], normalised
  std::span<const TensorView> observation;  // the fields as they came, in spec order
};

// A matrix whose row r begins at data + r * stride.
struct RowMatrix {
  const float* data = nullptr;
  int64_t stride = 0;
};

// Bound to one thread.
class NativeTrunk {
 public:
  virtual ~NativeTrunk() = default;
  // Takes its weights, which begin with `name`.
  virtual void Pack(const WeightBlob& weights, const std::string& name) = 0;
  // [rows, width()]; valid until the next call. A row depends on no other.
  virtual RowMatrix Apply(const TrunkInput& input) = 0;
  virtual int64_t width() const = 0;
};

std::unique_ptr<NativeTrunk> MakeNativeTrunk(const ModelSpec& spec, Network network,
                                             const kernels::KernelSet& kernels);

}  // namespace millrace
