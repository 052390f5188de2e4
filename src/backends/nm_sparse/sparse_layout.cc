#include "backends/nm_sparse/sparse_layout.h"

#include <algorithm>

#include "kernels/packed_layer.h"
#include "millrace/core/check.h"

namespace millrace {
SparseParameter SparseLayout::Add(const std::string& name) {
  const ParameterEntry* entry = flat_.Find(name);
  MILLRACE_CHECK(entry != nullptr, "no such parameter");
  SparseParameter parameter{LayerMatrix::Of(entry->shape)};
  if (entry->shape.size() > 1) {
    parameter.stride = PadToPanel(parameter.columns);
    if (parameter.stride % 256 == 0) parameter.stride += kernels::kPanel;
  }
  parameter.flat = entry->offset;
  parameter.offset = size_;
  size_ += PadToPanel(parameter.rows * parameter.stride);
  parameters_.push_back(parameter);
  return parameter;
}

void SparseLayout::Import(std::span<const float> flat, float* own) const {
  std::fill_n(own, size_, 0.0F);
  for (const SparseParameter& p : parameters_) {
    ReadMatrix(p, flat.data() + p.flat, own + p.offset, p.stride);
  }
}

void SparseLayout::Export(const float* own, std::span<float> flat) const {
  for (const SparseParameter& p : parameters_) {
    WriteMatrix(p, own + p.offset, p.stride, flat.data() + p.flat);
  }
}

}  // namespace millrace
