// A dense row-major tensor somebody else owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "millrace/core/check.h"
#include "millrace/data/dtype.h"

namespace millrace {

// Points at memory and at a shape, both owned elsewhere (a slab and its Layout, mostly). Copying it
// copies no data. Thread-compatible.
struct TensorView {
  DType dtype = DType::kFloat32;
  std::span<const int64_t> shape;
  std::byte* data = nullptr;

  int64_t size() const {
    int64_t elements = 1;
    for (int64_t extent : shape) elements *= extent;
    return elements;
  }
  size_t bytes() const { return static_cast<size_t>(size()) * SizeOf(dtype); }

  // All elements. T must be the element type.
  template <typename T>
  std::span<T> As() const {
    MILLRACE_CHECK(dtype == DTypeOf<T>::kValue, "TensorView::As with the wrong element type");
    return {reinterpret_cast<T*>(data), static_cast<size_t>(size())};
  }

  // The sub-tensor at `index` of the first dimension.
  TensorView operator[](int64_t index) const {
    TensorView inner{dtype, shape.subspan(1), data};
    inner.data += static_cast<size_t>(index) * inner.bytes();
    return inner;
  }
};

}  // namespace millrace
