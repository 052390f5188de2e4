// The loops over rows of embedding tables, one set per instruction set, chosen once at run time.
//
// All sets have the same bits: sums have one order, nothing is contracted, and square roots and
// quotients are rounded correctly everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::embedding {

inline constexpr int64_t kMaxColumns = 4096;

// How numbers of a row are stored; sums and the optimiser are in float32.
enum class RowType : uint8_t { kFloat32, kFloat16, kBfloat16 };

constexpr int64_t ElementBytes(RowType type) { return type == RowType::kFloat32 ? 4 : 2; }

// What becomes of the rows of a bag.
enum class Pooling : uint8_t { kSum, kMean };

// Steps on the rows of a batch alone. AdaGrad: Duchi et al. 2011. Row-wise AdaGrad keeps one number
// a row, the mean over its columns (Mudigere et al. 2021, arXiv:2104.05158); row-wise Adam does so
// with the second moment.
enum class Optimizer : uint8_t { kSgd, kAdaGrad, kRowwiseAdaGrad, kAdam, kRowwiseAdam };

// Rows, and what is kept of every column, are padded to a multiple of so many numbers.
inline constexpr int64_t kColumnUnit = 16;
constexpr int64_t PadColumns(int64_t columns) {
  return (columns + kColumnUnit - 1) / kColumnUnit * kColumnUnit;
}

// Floats that the optimiser keeps of a row: first what it keeps of every column.
constexpr int64_t StateSize(Optimizer optimizer, int64_t row_columns) {
  const int64_t columns = PadColumns(row_columns);
  switch (optimizer) {
    case Optimizer::kSgd:
      return 0;
    case Optimizer::kAdaGrad:
      return columns;
    case Optimizer::kRowwiseAdaGrad:
      return 1;
    case Optimizer::kAdam:
      return 2 * columns;
    case Optimizer::kRowwiseAdam:
      return columns + 1;
  }
  return 0;
}

// Squares of a gradient are added in blocks of so many columns, then those of the blocks: shards of
// a table's columns, which begin at such blocks, add to the same bits as the whole.
inline constexpr int64_t kSquareColumns = 64;
constexpr int64_t SquareBlocks(int64_t columns) {
  return (columns + kSquareColumns - 1) / kSquareColumns;
}

// Rows `row_bytes` apart, 64-byte aligned, and `state_size` floats of each: a table, or a shard of
// one, which begins at this row and column of it.
struct Rows {
  std::byte* data;
  float* state;
  int64_t row_bytes, state_size;
  int64_t columns;
  RowType type;
  uint32_t first_row = 0, first_column = 0;
  int64_t table_columns = columns;
};

// One step of an optimiser.
struct UpdateStep {
  Optimizer optimizer = Optimizer::kRowwiseAdaGrad;
  float learning_rate = 0.01F;
  float epsilon = 1e-8F;
  // Of Adam, and what its moments are divided by in this step: 1 - beta^step.
  float beta1 = 0.9F, beta2 = 0.999F, correction1 = 1, correction2 = 1;
  // Of rows of 16 bits: rounded up or down by chance, from this key, row and column.
  bool stochastic_rounding = false;
  uint32_t rounding_key = 0;
};

// A row that a bag looks up.
struct Lookup {
  uint32_t place;     // of the row
  uint32_t gradient;  // where the bag's begins, in units of kColumnUnit numbers
};

struct KernelSet {
  const char* name;

  // out [bags, PadColumns(columns)], `stride` floats apart: of every bag the sum, or the mean, of
  // its rows in the order of `places`, which has those of the first bag first. 0 for an empty bag.
  void (*pool)(const Rows& rows, const uint32_t* places, const int32_t* lengths, int64_t bags,
               Pooling pooling, float* out, int64_t stride);

  // Steps once on every row of some lookups, which are sorted by place: its gradient is the sum of
  // theirs, of PadColumns(columns) numbers each (those behind the columns do not count), in order.
  // `squares`: of every row the sum of squares of the gradient of all columns of its table, which
  // row-wise optimisers need; null if the rows have all columns.
  void (*update)(const Rows& rows, const UpdateStep& step, const Lookup* lookups, int64_t count,
                 const float* gradients, const float* squares);
  // squares [rows of the lookups, SquareBlocks(columns)]: those sums, of each block of columns.
  void (*squares)(const Rows& rows, const Lookup* lookups, int64_t count, const float* gradients,
                  float* squares);

  // row [columns], from and to what a table stores; to the nearest, ties to even.
  void (*unpack)(RowType type, const std::byte* row, int64_t columns, float* numbers);
  void (*pack)(RowType type, const float* numbers, int64_t columns, std::byte* row);
};

}  // namespace millrace::embedding
