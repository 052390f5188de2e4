#include "config/section.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "config/place.h"
#include "config/scalar.h"
#include "millrace/core/nearest_name.h"

namespace millrace {
namespace {

std::string Range(const std::string& low, const std::string& high, bool bounded) {
  return bounded ? absl::StrCat(" from ", low, " to ", high) : absl::StrCat(" of at least ", low);
}

}  // namespace

void Problems::Add(const std::string& key, const std::string& expected, const std::string& got,
                   const std::string& hint) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(
      absl::StrCat(Subject(PlaceOf(key), key), ": expected ", expected, ", got ", got, hint));
}

std::string Problems::PlaceOf(const std::string& key) const {
  const auto found = places_.find(key);
  return found == places_.end() ? file_name_ : found->second;
}

Section::Section(const YamlNode* node, std::string path, Problems& problems)
    : node_(node), path_(std::move(path)), problems_(problems) {
  if (node_ == nullptr || node_->kind == YamlNode::Kind::kMap) return;
  problems_.Add(path_.empty() ? "the file" : path_, "a map (key: value)", Describe(*node_));
  node_ = nullptr;
}

std::string Section::PathOf(const std::string& key) const {
  return path_.empty() ? key : absl::StrCat(path_, ".", key);
}

const YamlNode* Section::Node(const std::string& key) {
  known_.push_back(key);
  const YamlNode* node = node_ == nullptr ? nullptr : node_->Find(key);
  if (node != nullptr) problems_.RecordPlace(PathOf(key), node->where);
  return node;
}

Section Section::Child(const std::string& key) { return {Node(key), PathOf(key), problems_}; }

const YamlNode* Section::Scalar(const std::string& key, const std::string& expected) {
  const YamlNode* node = Node(key);
  if (node == nullptr || node->kind == YamlNode::Kind::kScalar) return node;
  problems_.Add(PathOf(key), expected, Describe(*node));
  return nullptr;
}

std::optional<int64_t> Section::Integer(const std::string& key, int64_t low, int64_t high,
                                        const std::string& word) {
  const bool bounded = high != std::numeric_limits<int64_t>::max();
  const std::string expected = absl::StrCat(word, word.empty() ? "an integer" : " or an integer",
                                            Range(absl::StrCat(low), absl::StrCat(high), bounded));
  const YamlNode* node = Scalar(key, expected);
  if (node == nullptr) return std::nullopt;
  if (!word.empty() && node->text == word) return 0;
  const auto value = node->quoted ? std::nullopt : ParseInt(node->text);
  if (value && *value >= low && *value <= high) return value;
  problems_.Add(PathOf(key), expected, Describe(*node));
  return std::nullopt;
}

void Section::Int(const std::string& key, int& out, int64_t low, int64_t high) {
  if (const auto value = Integer(key, low, high)) out = static_cast<int>(*value);
}

void Section::IntOr(const std::string& word, const std::string& key, int& out, int64_t low,
                    int64_t high) {
  if (const auto value = Integer(key, low, high, word)) out = static_cast<int>(*value);
}

void Section::Int64(const std::string& key, int64_t& out, int64_t low, int64_t high) {
  if (const auto value = Integer(key, low, high)) out = *value;
}

void Section::UInt64(const std::string& key, uint64_t& out) {
  if (const auto value = Integer(key, 0, std::numeric_limits<int64_t>::max())) {
    out = static_cast<uint64_t>(*value);
  }
}

void Section::Double(const std::string& key, double& out, double low, double high) {
  std::string expected = "a number";
  if (low > std::numeric_limits<double>::lowest()) {
    expected +=
        Range(FormatDouble(low), FormatDouble(high), high < std::numeric_limits<double>::max());
  }
  const YamlNode* node = Scalar(key, expected);
  if (node == nullptr) return;
  const auto value = node->quoted ? std::nullopt : ParseDouble(node->text);
  if (value && *value >= low && *value <= high) {
    out = *value;
  } else {
    problems_.Add(PathOf(key), expected, Describe(*node));
  }
}

void Section::Bool(const std::string& key, bool& out) {
  const YamlNode* node = Scalar(key, "true or false");
  if (node == nullptr) return;
  const auto value = node->quoted ? std::nullopt : ParseBool(node->text);
  if (value) {
    out = *value;
  } else {
    problems_.Add(PathOf(key), "true or false", Describe(*node));
  }
}

void Section::String(const std::string& key, std::string& out) {
  if (const YamlNode* node = Scalar(key, "a string")) out = node->text;
}

std::optional<size_t> Section::Choice(const std::string& key,
                                      const std::vector<std::string>& choices) {
  const std::string expected =
      choices.size() == 1 ? choices.front() : absl::StrCat("one of ", absl::StrJoin(choices, ", "));
  const YamlNode* node = Scalar(key, expected);
  if (node == nullptr) return std::nullopt;
  const auto found = std::find(choices.begin(), choices.end(), node->text);
  if (found != choices.end()) return static_cast<size_t>(found - choices.begin());
  problems_.Add(PathOf(key), expected, Describe(*node), DidYouMean(node->text, choices));
  return std::nullopt;
}

void Section::Choice(const std::string& key, std::string& out,
                     const std::vector<std::string>& choices) {
  if (const auto index = Choice(key, choices)) out = choices[*index];
}

std::vector<std::string> Section::Keys() const {
  std::vector<std::string> keys;
  if (node_ == nullptr) return keys;
  for (const YamlNode& item : node_->items) keys.push_back(item.key);
  return keys;
}

void Section::Finish() {
  if (node_ == nullptr) return;
  for (const YamlNode& item : node_->items) {
    if (std::find(known_.begin(), known_.end(), item.key) != known_.end()) continue;
    problems_.RecordPlace(PathOf(item.key), item.where);
    problems_.Add(PathOf(item.key),
                  path_.empty() ? "a top-level key" : absl::StrCat("a key of ", path_),
                  absl::StrCat("\"", item.key, "\""), DidYouMean(item.key, known_));
    return;
  }
}

}  // namespace millrace
