// Whole segments, put side by side: what one trainer rank trains on for one policy version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "millrace/data/schema.h"
#include "streams/sample_stream.h"

namespace millrace {

// The segments and, per field, their concatenation along B: [T(+1), S x B, ...], [C, S x B, ...],
// [S x B, ...], and [T, S] for fields with one value per step. Memory is the batch's own.
// Thread-compatible.
struct SampleBatch {
  struct Tensor {
    DType dtype;
    std::vector<int64_t> shape;
    std::vector<std::byte> bytes;
  };

  uint64_t epoch = 0;
  uint64_t number = 0;
  std::vector<ReceivedSegment> segments;  // ordered by (slot, producer, incarnation, sequence)
  std::map<std::string, Tensor> fields;
  uint64_t version_min = 0;  // oldest policy version in it

  int64_t columns() const;  // S x B
};

// Sorts `segments` and copies them together.
SampleBatch AssembleBatch(uint64_t epoch, uint64_t number, std::vector<ReceivedSegment> segments,
                          const Layout& layout);

// Whether every float field of a segment is finite.
bool AllFinite(const ReceivedSegment& segment, const Layout& layout);

}  // namespace millrace
