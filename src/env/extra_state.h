// Reading the `state` and `extra` that a user gives to Environment::ResetTo.
#pragma once

#include <map>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/env/environment.h"

namespace millrace {

// kInvalidArgument unless `state` has `expected` numbers, all finite.
absl::Status CheckStateSize(size_t expected, std::span<const double> state);

// Whether `value` is one of 0, 1, ..., highest.
bool IsWholeNumber(double value, double highest);

// The largest whole number that a double holds exactly, and every one below it.
inline constexpr double kMaxWholeNumber = 9007199254740991.0;

// Extra states that are whole numbers, each from 0 to the given highest; those missing are 0.
// kInvalidArgument for another name, several values or a value out of range.
absl::StatusOr<std::map<std::string, double>> ReadExtra(
    const ExtraState& extra, const std::map<std::string, double>& highest);

}  // namespace millrace
