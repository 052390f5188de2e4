#include "config/scalar.h"

#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"

namespace millrace {
namespace {

// Removes leading digits and returns how many there were.
size_t SkipDigits(std::string_view& text) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[digits]))) {
    ++digits;
  }
  text.remove_prefix(digits);
  return digits;
}

bool Skip(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

bool IsDecimal(std::string_view text) {
  Skip(text, "-+");
  const bool begins_with_zero = !text.empty() && text.front() == '0';
  size_t digits = SkipDigits(text);
  if (begins_with_zero && digits > 1) return false;  // 010 is eight to YAML 1.1 and ten to people
  if (Skip(text, ".")) digits += SkipDigits(text);
  if (digits == 0) return false;
  if (Skip(text, "eE")) {
    Skip(text, "-+");
    if (SkipDigits(text) == 0) return false;
  }
  return text.empty();
}

template <typename T>
std::optional<T> FromChars(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<double> ParseDouble(std::string_view text) {
  return IsDecimal(text) ? FromChars<double>(text) : std::nullopt;
}

std::optional<int64_t> ParseInt(std::string_view text) {
  if (!IsDecimal(text)) return std::nullopt;
  if (auto exact = FromChars<int64_t>(text)) return exact;
  const auto value = FromChars<double>(text);
  constexpr double kExact = 0x1p53;  // beyond it a double does not hold every integer
  if (!value || std::abs(*value) > kExact || *value != std::floor(*value)) return std::nullopt;
  return static_cast<int64_t>(*value);
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::string FormatDouble(double value) {
  std::array<char, 32> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

}  // namespace millrace
