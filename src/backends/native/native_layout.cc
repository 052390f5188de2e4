#include "backends/native/native_layout.h"

#include <algorithm>

#include "millrace/core/check.h"

namespace millrace {

NativeParameter NativeLayout::Add(const std::string& name, int64_t blocks) {
  const ParameterEntry* entry = flat_.Find(name);
  MILLRACE_CHECK(entry != nullptr, "no such parameter");
  NativeParameter parameter;
  parameter.out = entry->shape[0];
  if (entry->shape.size() > 1) parameter.in = entry->shape[1];
  parameter.blocks = blocks;
  parameter.flat = entry->offset;
  parameter.offset = size_;
  size_ += parameter.in * parameter.padded_out();
  parameters_.push_back(parameter);
  return parameter;
}

template <typename Pair>
void NativeLayout::PairUp(Pair pair) const {
  for (const NativeParameter& parameter : parameters_) {
    // Panel by panel: a column alone would touch a cache line per number.
    for (int64_t first = 0, end = 0; first < parameter.out; first = end) {
      end = std::min(parameter.end_of_block(first), first + kernels::kPanel);
      const int64_t column = parameter.column(first);
      for (int64_t in = 0; in < parameter.in; ++in) {
        const int64_t row = parameter.offset + in * parameter.padded_out();
        for (int64_t out = first; out < end; ++out) {
          pair(parameter.flat + static_cast<size_t>(out * parameter.in + in),
               row + column + out - first);
        }
      }
    }
  }
}

void NativeLayout::Import(std::span<const float> flat, float* native) const {
  std::fill_n(native, size_, 0.0F);
  PairUp([&](size_t from, int64_t to) { native[to] = flat[from]; });
}

void NativeLayout::Export(const float* native, std::span<float> flat) const {
  PairUp([&](size_t to, int64_t from) { flat[to] = native[from]; });
}

}  // namespace millrace
