#include "millrace/data/dtype.h"

#include "millrace/core/check.h"

namespace millrace {

size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kFloat64:
    case DType::kInt64:
      return 8;
    case DType::kUInt8:
      return 1;
  }
  MILLRACE_CHECK(false, "unknown dtype");
}

std::string_view Name(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "float32";
    case DType::kFloat64:
      return "float64";
    case DType::kInt32:
      return "int32";
    case DType::kInt64:
      return "int64";
    case DType::kUInt8:
      return "uint8";
  }
  MILLRACE_CHECK(false, "unknown dtype");
}

std::optional<DType> DTypeFromNumber(uint8_t number) {
  if (number < 1 || number > 5) return std::nullopt;
  return static_cast<DType>(number);
}

}  // namespace millrace
