// The JSON header of a safetensors file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/data/dtype.h"

namespace millrace {

// One entry, offsets counted from the end of the header. Not yet checked against anything.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kFloat32;
  std::vector<uint64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in file order
  std::map<std::string, std::string> metadata;
};

std::string_view SafetensorsName(DType dtype);  // "F32", ...

// kDataLoss: not JSON, repeated or unknown keys, wrong types, unknown dtypes, more than 8
// dimensions. Uses memory in proportion to the text, however it is nested.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view text);

}  // namespace millrace
