#include "millrace/config/options.h"

#include <limits>
#include <optional>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "config/place.h"
#include "config/scalar.h"
#include "millrace/core/nearest_name.h"

namespace millrace {
namespace {

constexpr int64_t kLowestInt = std::numeric_limits<int64_t>::lowest();
constexpr int64_t kHighestInt = std::numeric_limits<int64_t>::max();
constexpr double kHighestDouble = std::numeric_limits<double>::max();

std::string Bracketed(std::span<const std::string> items) {
  return absl::StrCat("[", absl::StrJoin(items.begin(), items.end(), ", "), "]");
}

std::vector<std::string> InnerLists(const Options::Value& value) {
  std::span<const std::string> rest(value.items);
  std::vector<std::string> lists;
  for (const size_t length : value.lengths) {
    lists.push_back(Bracketed(rest.first(length)));
    rest = rest.subspan(length);
  }
  return lists;
}

std::string Describe(const Options::Value& value) {
  if (value.is_list) return Bracketed(value.lengths.empty() ? value.items : InnerLists(value));
  return absl::StrCat("\"", value.items.empty() ? "" : value.items.front(), "\"");
}

// Nothing unless every item is a number outside quotes.
std::optional<std::vector<double>> Numbers(const Options::Value& value) {
  std::vector<double> numbers;
  for (const std::string& item : value.items) {
    const auto number = value.quoted ? std::nullopt : ParseDouble(item);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

std::string SubjectOf(const Options::Value& value, std::string_view key) {
  return Subject(value.where, value.path.empty() ? key : value.path);
}

}  // namespace

const Options::Value* Options::Find(std::string_view key) const {
  known_.emplace(key);
  const auto found = values_.find(std::string(key));
  return found == values_.end() ? nullptr : &found->second;
}

void Options::Complain(const Value& value, std::string_view key, std::string_view expected,
                       std::string_view hint) const {
  complaints_.push_back(absl::StrCat(SubjectOf(value, key), ": expected ", std::string(expected),
                                     ", got ", Describe(value), std::string(hint)));
}

const std::string* Options::Scalar(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr) return nullptr;
  if (value->is_list || value->items.size() != 1) {
    Complain(*value, key, "one value");
    return nullptr;
  }
  return &value->items.front();
}

int64_t Options::GetInt(std::string_view key, int64_t fallback) const {
  return GetInt(key, fallback, kLowestInt, kHighestInt);
}

int64_t Options::GetInt(std::string_view key, int64_t fallback, int64_t low, int64_t high) const {
  const std::string* text = Scalar(key);
  if (text == nullptr) return fallback;
  const auto number = Find(key)->quoted ? std::nullopt : ParseInt(*text);
  if (number && *number >= low && *number <= high) return *number;
  std::string expected = "an integer";
  if (low != kLowestInt) absl::StrAppend(&expected, " of at least ", low);
  if (high != kHighestInt)
    absl::StrAppend(&expected, low == kLowestInt ? " of" : " and", " at most ", high);
  Complain(*Find(key), key, expected);
  return fallback;
}

double Options::GetDouble(std::string_view key, double fallback) const {
  return GetDouble(key, fallback, -kHighestDouble, kHighestDouble);
}

double Options::GetDouble(std::string_view key, double fallback, double low, double high) const {
  const std::string* text = Scalar(key);
  if (text == nullptr) return fallback;
  const auto number = Find(key)->quoted ? std::nullopt : ParseDouble(*text);
  if (number && *number >= low && *number <= high) return *number;
  std::string expected = "a number";
  if (low > -kHighestDouble) absl::StrAppend(&expected, " of at least ", FormatDouble(low));
  if (high < kHighestDouble) {
    absl::StrAppend(&expected, low > -kHighestDouble ? " and" : " of", " at most ",
                    FormatDouble(high));
  }
  Complain(*Find(key), key, expected);
  return fallback;
}

bool Options::GetBool(std::string_view key, bool fallback) const {
  const std::string* text = Scalar(key);
  if (text == nullptr) return fallback;
  const auto value = Find(key)->quoted ? std::nullopt : ParseBool(*text);
  if (value) return *value;
  Complain(*Find(key), key, "true or false");
  return fallback;
}

std::string Options::GetString(std::string_view key, std::string fallback) const {
  const std::string* text = Scalar(key);
  return text == nullptr ? fallback : *text;
}

std::string Options::GetChoice(std::string_view key, std::string fallback,
                               const std::vector<std::string>& choices) const {
  const std::string* text = Scalar(key);
  if (text == nullptr) return fallback;
  for (const std::string& choice : choices) {
    if (*text == choice) return choice;
  }
  Complain(*Find(key), key, absl::StrCat("one of ", absl::StrJoin(choices, ", ")),
           DidYouMean(*text, choices));
  return fallback;
}

std::vector<double> Options::GetDoubles(std::string_view key, std::vector<double> fallback) const {
  const Value* value = Find(key);
  if (value == nullptr) return fallback;
  const auto numbers = Numbers(*value);
  if (value->is_list && value->lengths.empty() && numbers) return *numbers;
  Complain(*value, key, "a list of numbers");
  return fallback;
}

std::vector<std::vector<double>> Options::GetDoubleLists(
    std::string_view key, std::vector<std::vector<double>> fallback) const {
  const Value* value = Find(key);
  if (value == nullptr) return fallback;
  const auto numbers = Numbers(*value);
  const bool nested = !value->lengths.empty() || value->items.empty();
  if (!value->is_list || !nested || !numbers) {
    Complain(*value, key, "a list of lists of numbers");
    return fallback;
  }
  std::vector<std::vector<double>> lists;
  auto next = numbers->begin();
  for (const size_t length : value->lengths) {
    lists.emplace_back(next, next + static_cast<std::ptrdiff_t>(length));
    next += static_cast<std::ptrdiff_t>(length);
  }
  return lists;
}

std::vector<std::string> Options::GetStrings(std::string_view key,
                                             std::vector<std::string> fallback) const {
  const Value* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_list && value->lengths.empty()) return value->items;
  Complain(*value, key, "a list");
  return fallback;
}

absl::Status Options::Finish(std::string_view owner) const {
  if (!complaints_.empty()) return absl::InvalidArgumentError(complaints_.front());
  const std::vector<std::string> known(known_.begin(), known_.end());
  for (const auto& [key, value] : values_) {
    if (known_.contains(key)) continue;
    return absl::InvalidArgumentError(absl::StrCat(SubjectOf(value, key),
                                                   ": expected an option of ", std::string(owner),
                                                   ", got an unknown key", DidYouMean(key, known)));
  }
  return absl::OkStatus();
}

}  // namespace millrace
