// Whether a product pays with kernels that leave weights out, measured on this machine.
#pragma once

#include <cstdint>

#include "sparse/packed_matrix.h"

namespace millrace::sparse {

// Which kernels multiply with weights of which N of every M take part; the results are the same
// (PackedMatrix::MultiplyAsDense).
enum class ProductChoice : uint8_t { kAuto, kSparse, kDense };

// Seconds of this thread for the product with one tile, medians.
struct ProductTimes {
  double sparse = 0, dense = 0;
};
// Of a matrix of this shape and pattern; each is measured once in a process, which takes some
// milliseconds. Thread-safe.
ProductTimes TimeProduct(const PackedMatrix& matrix);

// kAuto: as dense if leaving weights out gains less than 5 %. Packing, or reading, must follow.
void ChooseProduct(ProductChoice choice, PackedMatrix& matrix);

}  // namespace millrace::sparse
