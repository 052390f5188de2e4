#include "env/extra_state.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "millrace/core/nearest_name.h"

namespace millrace {

absl::Status CheckStateSize(size_t expected, std::span<const double> state) {
  if (state.size() != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("state: expected ", expected, " numbers, got ", state.size()));
  }
  if (!std::ranges::all_of(state, [](double value) { return std::isfinite(value); })) {
    return absl::InvalidArgumentError("state: expected finite numbers");
  }
  return absl::OkStatus();
}

bool IsWholeNumber(double value, double highest) {
  return value >= 0 && value <= highest && value == std::floor(value);
}

absl::StatusOr<std::map<std::string, double>> ReadExtra(
    const ExtraState& extra, const std::map<std::string, double>& highest) {
  std::map<std::string, double> numbers;
  std::vector<std::string> names;
  for (const auto& [name, limit] : highest) {
    numbers[name] = 0;
    names.push_back(name);
  }
  for (const auto& [name, values] : extra) {
    const auto found = highest.find(name);
    if (found == highest.end()) {
      return absl::InvalidArgumentError(absl::StrCat("extra: expected ", absl::StrJoin(names, ", "),
                                                     ", got \"", name, "\"",
                                                     DidYouMean(name, names)));
    }
    if (values.size() != 1 || !IsWholeNumber(values.front(), found->second)) {
      return absl::InvalidArgumentError(
          absl::StrCat("extra: ", name, ": expected one whole number from 0 to ",
                       static_cast<int64_t>(found->second), ", got ",
                       values.size() == 1 ? absl::StrCat(values.front())
                                          : absl::StrCat(values.size(), " values")));
    }
    numbers[name] = values.front();
  }
  return numbers;
}

}  // namespace millrace
