// Where trainable parameters lie while the N:M-sparse backend trains them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "inference/layer_matrix.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// A parameter as a matrix; a vector has one column.
struct SparseParameter : LayerMatrix {
  int64_t stride = 1;  // here, of rows
  size_t flat = 0;     // offset in the order of ParameterLayout
  int64_t offset = 0;  // offset here
};

// Parameters, and rows of matrices, begin at multiples of 16 floats, so does the end; padding stays
// zero. Rows do not lie a multiple of 1 KiB apart: blocks of a matrix would then fill a few sets of
// the caches and leave the others empty.
// Thread-compatible.
class SparseLayout {
 public:
  explicit SparseLayout(const ModelSpec& spec) : flat_(spec) {}

  bool Has(const std::string& name) const { return flat_.Find(name) != nullptr; }
  // Appends a parameter that the model has.
  SparseParameter Add(const std::string& name);

  int64_t size() const { return size_; }
  void Import(std::span<const float> flat, float* own) const;
  void Export(const float* own, std::span<float> flat) const;

 private:
  const ParameterLayout flat_;
  std::vector<SparseParameter> parameters_;
  int64_t size_ = 0;
};

}  // namespace millrace
