// The safetensors file format: u64 header length, JSON header, tensor bytes. Written so that
// Python's `safetensors` opens it; read with every check (the file may come from anywhere).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/data/dtype.h"

namespace millrace {

struct NamedTensor {
  std::string name;
  DType dtype = DType::kFloat32;
  std::vector<int64_t> shape;  // may hold zeros; empty for a scalar
  std::span<const std::byte> bytes;
};

// The whole file as bytes; tensors keep their order. `metadata` goes to "__metadata__".
// kInvalidArgument: repeated name, or bytes that do not fit dtype and shape.
absl::StatusOr<std::string> EncodeSafetensors(
    const std::vector<NamedTensor>& tensors,
    const std::map<std::string, std::string>& metadata = {});

// A decoded file; `tensors` point into `storage`, so it can be moved but not copied. Their bytes
// need not be aligned for their type.
struct Safetensors {
  Safetensors() = default;
  Safetensors(Safetensors&&) = default;
  Safetensors& operator=(Safetensors&&) = default;

  std::string storage;
  std::vector<NamedTensor> tensors;  // ordered by offset
  std::map<std::string, std::string> metadata;

  // Null if there is none of that name.
  const NamedTensor* Find(std::string_view name) const;
};
// kDataLoss with the reason for anything malformed: header over 100 MiB or past the end, repeated
// keys, unknown dtype, overflow, gaps, overlaps, trailing bytes.
absl::StatusOr<Safetensors> DecodeSafetensors(std::string file);

}  // namespace millrace
