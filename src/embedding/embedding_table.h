// An embedding table, or the part of one that a process has.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "embedding/embedding_kernels.h"

namespace millrace::embedding {

struct TableOptions {
  std::string name;
  int64_t rows = 0;
  int64_t columns = 0;
  RowType type = RowType::kFloat32;
  Optimizer optimizer = Optimizer::kRowwiseAdaGrad;
  // Rows begin with numbers between minus this and this, drawn for each row by itself from the seed
  // and the table's name.
  double initial_range = 0.01;

  bool rowwise() const {
    return optimizer == Optimizer::kRowwiseAdaGrad || optimizer == Optimizer::kRowwiseAdam;
  }
};

// Neighbouring rows and columns of a table, for all that a process has of it.
struct Shard {
  int64_t first_row = 0, rows = 0;
  int64_t first_column = 0, columns = 0;  // the first a multiple of kColumnUnit

  static Shard Whole(const TableOptions& table) {
    return {.rows = table.rows, .columns = table.columns};
  }
  bool HasAllRows(const TableOptions& table) const { return rows == table.rows; }
  bool HasAllColumns(const TableOptions& table) const { return columns == table.columns; }
  bool operator==(const Shard&) const = default;
};

// What a shard takes.
constexpr int64_t RowBytes(RowType type, int64_t columns) {
  return (columns * ElementBytes(type) + 63) / 64 * 64;
}
inline int64_t SlabBytes(const TableOptions& table, const Shard& shard) {
  return shard.rows * (RowBytes(table.type, shard.columns) +
                       StateSize(table.optimizer, shard.columns) * int64_t{sizeof(float)});
}

// kInvalidArgument names the first id that a shard does not have, and where.
absl::Status CheckIds(const TableOptions& table, const Shard& shard, std::span<const int64_t> ids);

// The rows of a shard in one slab: rows, then their states. In memory that huge pages may back.
// Thread-compatible; reads of one thread and updates of another of other rows are safe.
class EmbeddingTable {
 public:
  // kInvalidArgument if a number is out of range; kResourceExhausted if there is no such memory.
  // Rows have the same numbers whatever shard they are in.
  static absl::StatusOr<EmbeddingTable> Create(const TableOptions& options, const Shard& shard,
                                               uint64_t seed);
  static absl::StatusOr<EmbeddingTable> Create(const TableOptions& options, uint64_t seed) {
    return Create(options, Shard::Whole(options), seed);
  }

  // Of the whole table.
  const TableOptions& options() const { return options_; }
  const Shard& shard() const { return shard_; }
  const Rows& rows() const { return rows_; }

  // Places of rows by their ids. Errors are those of CheckIds().
  absl::Status PlacesOf(std::span<const int64_t> ids, std::span<uint32_t> places) const;

  // A row, by its id, as float32 [columns of the shard].
  std::vector<float> Row(int64_t id) const;
  // The whole slab, as it is saved and compared.
  std::span<const std::byte> slab() const;

 private:
  struct Unmap {
    void operator()(std::byte* slab) const;
    size_t bytes;
  };

  EmbeddingTable(const TableOptions& options, const Shard& shard)
      : options_(options), shard_(shard) {}
  void Draw(uint64_t seed);

  TableOptions options_;
  Shard shard_;
  std::unique_ptr<std::byte, Unmap> slab_;
  Rows rows_ = {};
};

}  // namespace millrace::embedding
