// YAML scalars to numbers, strictly: no underscores, no octal or hexadecimal, no infinities, no
// `yes`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

// Decimal, optionally with a fraction and an exponent; finite. nullopt for anything else.
std::optional<double> ParseDouble(std::string_view text);
// As above, if the value is a whole number that int64 holds: "1e6" and "2.0" are integers.
std::optional<int64_t> ParseInt(std::string_view text);
// "true" or "false".
std::optional<bool> ParseBool(std::string_view text);

// The shortest text that ParseDouble() reads back as `value`.
std::string FormatDouble(double value);

}  // namespace millrace
