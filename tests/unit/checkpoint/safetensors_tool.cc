// For safetensors_interop.py: `safetensors_tool FILE` reads FILE, prints one line a tensor (name,
// dtype, shape, sum of its elements) and writes it again as FILE.again.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "checkpoint/safetensors.h"

namespace millrace {
namespace {

template <typename T>
double SumAs(std::span<const std::byte> bytes) {
  double sum = 0;
  for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    sum += static_cast<double>(value);
  }
  return sum;
}

double Sum(const NamedTensor& tensor) {
  switch (tensor.dtype) {
    case DType::kFloat32:
      return SumAs<float>(tensor.bytes);
    case DType::kFloat64:
      return SumAs<double>(tensor.bytes);
    case DType::kInt32:
      return SumAs<int32_t>(tensor.bytes);
    case DType::kInt64:
      return SumAs<int64_t>(tensor.bytes);
    case DType::kUInt8:
      return SumAs<uint8_t>(tensor.bytes);
  }
  return 0;
}

int Run(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(stream)), {});
  const auto file = DecodeSafetensors(std::move(text));
  if (!file.ok()) {
    std::fprintf(stderr, "%s\n", file.status().ToString().c_str());
    return 1;
  }
  for (const NamedTensor& tensor : file->tensors) {
    std::printf("%s %s", tensor.name.c_str(), std::string(Name(tensor.dtype)).c_str());
    for (int64_t extent : tensor.shape) std::printf(" %lld", static_cast<long long>(extent));
    std::printf(" = %.6f\n", Sum(tensor));
  }
  const auto again = EncodeSafetensors(file->tensors, file->metadata);
  std::ofstream(path + ".again", std::ios::binary) << *again;
  return again.ok() ? 0 : 1;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) { return argc == 2 ? millrace::Run(argv[1]) : 2; }
