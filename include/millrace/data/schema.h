// What a stream carries: named fields with dtype and shape, fixed when two workers shake hands.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/data/dtype.h"
#include "millrace/data/tensor_view.h"

namespace millrace {

// Which leading dimensions a field has. T = unroll length, B = rows (environments x agents of the
// policy), C = chunks of a recurrent policy in one unroll.
enum class Extent : uint8_t {
  kSteps = 1,              // [T, B, ...]
  kStepsAndBootstrap = 2,  // [T + 1, B, ...]
  kRows = 3,               // [B, ...]
  kChunks = 4,             // [C, B, ...]
  kTime = 5,               // [T, ...]: one value for all rows of a step
};

struct Field {
  std::string name;
  DType dtype = DType::kFloat32;
  std::vector<int64_t> shape;  // per row (and step); empty for a scalar
  Extent extent = Extent::kRows;

  bool operator==(const Field&) const = default;
};

// The product of `shape`: elements per row and step.
int64_t NumElements(std::span<const int64_t> shape);

// Ordered fields with an identity. Value type; thread-compatible.
class Schema {
 public:
  Schema() = default;
  // kInvalidArgument if a name is empty, repeated or not of [A-Za-z0-9_./-], if a rank is over 6 or
  // an element count overflows.
  static absl::StatusOr<Schema> Create(std::vector<Field> fields);

  const std::vector<Field>& fields() const { return fields_; }
  // The index of the field, or -1.
  int Find(std::string_view name) const;
  // 64-bit FNV-1a over names, dtypes, shapes and extents. T, B and C are not part of it.
  uint64_t hash() const { return hash_; }
  // One line a field, for error messages and `--dry-run`.
  std::string ToString() const;

  bool operator==(const Schema& other) const { return fields_ == other.fields_; }

 private:
  std::vector<Field> fields_;
  uint64_t hash_ = 0;
};

// The leading dimensions of one payload.
struct Extents {
  int32_t steps = 0;   // T
  int32_t rows = 0;    // B
  int32_t chunks = 0;  // C
  bool operator==(const Extents&) const = default;
};

// Where each field lies in one contiguous little-endian payload: schema order, each field aligned
// to 64 bytes. Value type; thread-compatible.
class Layout {
 public:
  Layout() = default;
  Layout(Schema schema, Extents extents);

  const Schema& schema() const { return schema_; }
  const Extents& extents() const { return extents_; }
  size_t total_bytes() const { return total_bytes_; }
  size_t offset(int field) const { return offsets_[static_cast<size_t>(field)]; }
  // The full shape of a field, leading dimensions included.
  const std::vector<int64_t>& shape(int field) const { return shapes_[static_cast<size_t>(field)]; }
  size_t bytes(int field) const;

  // A field of the payload that begins at `payload` (total_bytes() long, 64-byte aligned).
  TensorView View(int field, std::byte* payload) const;
  // By name; the field must exist.
  TensorView View(std::string_view name, std::byte* payload) const;

 private:
  Schema schema_;
  Extents extents_;
  std::vector<size_t> offsets_;
  std::vector<std::vector<int64_t>> shapes_;
  size_t total_bytes_ = 0;
};

}  // namespace millrace
