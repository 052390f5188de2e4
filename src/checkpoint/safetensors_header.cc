#include "checkpoint/safetensors_header.h"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

using nlohmann::json;

constexpr size_t kMaxRank = 8;
constexpr char kMetadata[] = "__metadata__";

constexpr std::array<std::pair<std::string_view, DType>, 5> kDTypes = {{
    {"F32", DType::kFloat32},
    {"F64", DType::kFloat64},
    {"I32", DType::kInt32},
    {"I64", DType::kInt64},
    {"U8", DType::kUInt8},
}};

std::optional<DType> DTypeFromName(std::string_view name) {
  for (const auto& [known, dtype] : kDTypes) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

// Takes the parser's events; false stops the parser at the first thing that does not belong there.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  bool null() override { return Fail("null"); }
  bool boolean(bool) override { return Fail("a boolean"); }
  bool number_integer(number_integer_t) override { return Fail("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Fail("a fraction"); }
  bool binary(binary_t&) override { return Fail("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (!in_array_) return Fail("a number");
    if (numbers_.size() >= kMaxRank) return Fail("more than 8 numbers");
    numbers_.push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (depth_ != 2 || in_array_) return Fail("a string");
    if (in_metadata_) {
      header_.metadata[key_] = value;
      return true;
    }
    const auto dtype = DTypeFromName(value);
    if (key_ != "dtype" || !dtype) return Fail(absl::StrCat("\"", value, "\""));
    entry_.dtype = *dtype;
    return true;
  }

  bool start_object(size_t) override {
    if (depth_ >= 2 || in_array_) return Fail("an object");
    if (++depth_ == 2) {
      in_metadata_ = key_ == kMetadata;
      entry_ = {};
      entry_.name = key_;
      inner_keys_.clear();
    }
    return true;
  }

  bool end_object() override {
    if (depth_-- != 2 || in_metadata_) return true;
    if (inner_keys_.size() != 3) return Fail("a tensor without dtype, shape or data_offsets");
    header_.entries.push_back(std::move(entry_));
    return true;
  }

  bool start_array(size_t) override {
    if (depth_ != 2 || in_array_ || in_metadata_ || (key_ != "shape" && key_ != "data_offsets")) {
      return Fail("a list");
    }
    in_array_ = true;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    if (key_ == "shape") {
      entry_.shape = std::move(numbers_);
      return true;
    }
    if (numbers_.size() != 2) return Fail("other than two data_offsets");
    entry_.begin = numbers_[0];
    entry_.end = numbers_[1];
    return true;
  }

  bool key(string_t& value) override {
    key_ = value;
    std::set<std::string>& keys = depth_ == 1 ? outer_keys_ : inner_keys_;
    if (!keys.insert(value).second) return Fail(absl::StrCat("\"", value, "\" twice"));
    const bool known = value == "dtype" || value == "shape" || value == "data_offsets";
    if (depth_ == 2 && !in_metadata_ && !known) return Fail(absl::StrCat("\"", value, "\""));
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    problem_ = absl::StrCat("byte ", position, " is no JSON: ", error.what());
    return false;
  }

  absl::StatusOr<SafetensorsHeader> Take() && {
    if (!problem_.empty()) return absl::DataLossError("safetensors header: " + problem_);
    return std::move(header_);
  }

 private:
  bool Fail(const std::string& got) {
    problem_ = absl::StrCat("got ", got, " at \"", key_, "\"");
    return false;
  }

  SafetensorsHeader header_;
  SafetensorsEntry entry_;
  std::string key_;
  std::vector<uint64_t> numbers_;
  std::set<std::string> outer_keys_, inner_keys_;
  int depth_ = 0;
  bool in_array_ = false;
  bool in_metadata_ = false;
  std::string problem_;
};

}  // namespace

std::string_view SafetensorsName(DType dtype) {
  for (const auto& [name, known] : kDTypes) {
    if (known == dtype) return name;
  }
  return "";
}

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view text) {
  HeaderReader reader;
  if (text.empty() || text.front() != '{') {
    return absl::DataLossError("safetensors header: expected \"{\" at its beginning");
  }
  json::sax_parse(text.begin(), text.end(), &reader);
  return std::move(reader).Take();
}

}  // namespace millrace
