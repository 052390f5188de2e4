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

  int64_t row_bytes() const { return (columns * ElementBytes(type) + 63) / 64 * 64; }
  int64_t state_size() const { return StateSize(optimizer, columns); }
  // Of all rows with their state.
  int64_t bytes() const {
    return rows * (row_bytes() + state_size() * static_cast<int64_t>(sizeof(float)));
  }
};

// All rows of a table in one slab: rows, then their states. In memory that huge pages may back.
// Thread-compatible; reads of one thread and updates of another of other rows are safe.
class EmbeddingTable {
 public:
  // kInvalidArgument if a number is out of range; kResourceExhausted if there is no such memory.
  static absl::StatusOr<EmbeddingTable> Create(const TableOptions& options, uint64_t seed);

  const TableOptions& options() const { return options_; }
  const Rows& rows() const { return rows_; }

  // Places of rows by their ids. kInvalidArgument names the first id that there is not, and where.
  absl::Status PlacesOf(std::span<const int64_t> ids, std::span<uint32_t> places) const;

  // A row as float32 [columns].
  std::vector<float> Row(int64_t id) const;
  // The whole slab, as it is saved and compared.
  std::span<const std::byte> slab() const;

 private:
  struct Unmap {
    void operator()(std::byte* slab) const;
    size_t bytes;
  };

  explicit EmbeddingTable(const TableOptions& options) : options_(options) {}
  void Draw(uint64_t seed);

  TableOptions options_;
  std::unique_ptr<std::byte, Unmap> slab_;
  Rows rows_ = {};
};

}  // namespace millrace::embedding
