#include "backends/nm_sparse/sparse_layout.h"

#include <algorithm>

#include "kernels/packed_layer.h"
#include "millrace/core/check.h"

namespace millrace {

SparseParameter SparseLayout::Add(const std::string& name) {
  const ParameterEntry* entry = flat_.Find(name);
  MILLRACE_CHECK(entry != nullptr, "no such parameter");
  SparseParameter parameter;
  parameter.rows = entry->shape[0];
  if (entry->shape.size() > 1) parameter.columns = entry->shape[1];
  parameter.flat = entry->offset;
  parameter.offset = size_;
  size_ += PadToPanel(parameter.rows * parameter.columns);
  parameters_.push_back(parameter);
  return parameter;
}

void SparseLayout::Import(std::span<const float> flat, float* own) const {
  std::fill_n(own, size_, 0.0F);
  for (const SparseParameter& p : parameters_) {
    std::copy_n(flat.data() + p.flat, p.rows * p.columns, own + p.offset);
  }
}

void SparseLayout::Export(const float* own, std::span<float> flat) const {
  for (const SparseParameter& p : parameters_) {
    std::copy_n(own + p.offset, p.rows * p.columns, flat.data() + p.flat);
  }
}

}  // namespace millrace
