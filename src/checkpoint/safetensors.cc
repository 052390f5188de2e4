#include "checkpoint/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "checkpoint/safetensors_header.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

constexpr uint64_t kMaxHeaderBytes = uint64_t{100} << 20;
constexpr size_t kLengthBytes = sizeof(uint64_t);
constexpr size_t kAlignment = 8;

// The size of such a tensor, or nullopt if it does not fit into 63 bits.
template <typename Dimension>
std::optional<uint64_t> BytesOf(DType dtype, const std::vector<Dimension>& shape) {
  constexpr auto kLimit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  uint64_t bytes = SizeOf(dtype);
  bool empty = false;
  for (Dimension dimension : shape) {
    const auto extent = static_cast<uint64_t>(dimension);
    if (extent > kLimit) return std::nullopt;
    empty = empty || extent == 0;
    if (__builtin_mul_overflow(bytes, std::max<uint64_t>(extent, 1), &bytes) || bytes > kLimit) {
      return std::nullopt;
    }
  }
  return empty ? 0 : bytes;
}

absl::Status Corrupt(const std::string& what) {
  return absl::DataLossError(absl::StrCat("safetensors: ", what));
}

// Offsets must be in order, without gaps, within `data_bytes`, and fit the shapes.
absl::Status CheckEntries(const std::vector<SafetensorsEntry>& entries, uint64_t data_bytes) {
  uint64_t expected_begin = 0;
  for (const SafetensorsEntry& entry : entries) {
    const auto bytes = BytesOf(entry.dtype, entry.shape);
    if (!bytes) return Corrupt(absl::StrCat("the shape of ", entry.name, " overflows"));
    if (entry.begin != expected_begin || entry.end < entry.begin || entry.end > data_bytes) {
      return Corrupt(absl::StrCat(entry.name, " lies at [", entry.begin, ", ", entry.end,
                                  "), expected it to begin at ", expected_begin, " and to end by ",
                                  data_bytes));
    }
    if (entry.end - entry.begin != *bytes) {
      return Corrupt(absl::StrCat(entry.name, " has ", entry.end - entry.begin, " bytes, expected ",
                                  *bytes, " for its shape"));
    }
    expected_begin = entry.end;
  }
  if (expected_begin != data_bytes) {
    return Corrupt(
        absl::StrCat("expected ", expected_begin, " bytes of tensors, got ", data_bytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<nlohmann::ordered_json> BuildHeader(
    const std::vector<NamedTensor>& tensors, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name.empty() || tensor.name == "__metadata__" || header.contains(tensor.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("safetensors: expected every tensor to have a name of its own, got \"",
                       tensor.name, "\""));
    }
    if (BytesOf(tensor.dtype, tensor.shape) != tensor.bytes.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("safetensors: tensor ", tensor.name, " has ", tensor.bytes.size(),
                       " bytes, which does not fit [", absl::StrJoin(tensor.shape, ", "), "]"));
    }
    header[tensor.name] = {{"dtype", std::string(SafetensorsName(tensor.dtype))},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  return header;
}

// Text that is not UTF-8 is refused.
absl::StatusOr<std::string> ToText(const nlohmann::ordered_json& header) {
  try {
    std::string text = header.dump();
    text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
    return text;
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("safetensors: ", error.what()));
  }
}

}  // namespace

absl::StatusOr<std::string> EncodeSafetensors(const std::vector<NamedTensor>& tensors,
                                              const std::map<std::string, std::string>& metadata) {
  MILLRACE_ASSIGN_OR_RETURN(const auto header, BuildHeader(tensors, metadata));
  MILLRACE_ASSIGN_OR_RETURN(const std::string text, ToText(header));
  const uint64_t length = text.size();
  size_t total = kLengthBytes + text.size();
  for (const NamedTensor& tensor : tensors) total += tensor.bytes.size();
  std::string file;
  file.reserve(total);
  file.append(reinterpret_cast<const char*>(&length), kLengthBytes);
  file.append(text);
  for (const NamedTensor& tensor : tensors) {
    file.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return file;
}

const NamedTensor* Safetensors::Find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const NamedTensor& tensor) { return tensor.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

absl::StatusOr<Safetensors> DecodeSafetensors(std::string file) {
  uint64_t length = 0;
  if (file.size() < kLengthBytes) return Corrupt("expected a header length, got end of file");
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kMaxHeaderBytes || length > file.size() - kLengthBytes) {
    return Corrupt(absl::StrCat("a header of ", length, " bytes in a file of ", file.size()));
  }
  MILLRACE_ASSIGN_OR_RETURN(
      SafetensorsHeader header,
      ParseSafetensorsHeader(std::string_view(file).substr(kLengthBytes, length)));
  // Empty tensors come before the one that begins at the same place.
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  const size_t data_begin = kLengthBytes + length;
  MILLRACE_RETURN_IF_ERROR(CheckEntries(header.entries, file.size() - data_begin));

  Safetensors decoded;
  decoded.storage = std::move(file);
  decoded.metadata = std::move(header.metadata);
  const auto data = std::as_bytes(std::span(decoded.storage)).subspan(data_begin);
  for (SafetensorsEntry& entry : header.entries) {
    decoded.tensors.push_back({.name = std::move(entry.name),
                               .dtype = entry.dtype,
                               .shape = {entry.shape.begin(), entry.shape.end()},
                               .bytes = data.subspan(entry.begin, entry.end - entry.begin)});
  }
  return decoded;
}

}  // namespace millrace
