// Reading the ExtraState of an episode, name by name.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/extra_state.h"
#include "millrace/core/nearest_name.h"
#include "millrace/env/environment.h"

namespace millrace::hide_and_seek {

// Takes entries out of an ExtraState and remembers the first that is wrong.
class ExtraReader {
 public:
  explicit ExtraReader(const ExtraState& extra) : extra_(extra) {}

  bool Has(const std::string& name) const { return extra_.contains(name); }

  // Whole numbers from `low` to `high`, or any numbers; empty if the name is missing or wrong.
  std::vector<double> Whole(const std::string& name, size_t count, double low, double high) {
    std::vector<double> values = Numbers(name, count);
    for (const double value : values) {
      if (value >= low && IsWholeNumber(value - low, high - low)) continue;
      Fail(name, absl::StrCat("whole numbers from ", low, " to ", high), absl::StrCat(value));
      return {};
    }
    return values;
  }
  std::vector<double> Numbers(const std::string& name, size_t count) {
    known_.push_back(name);
    const auto found = extra_.find(name);
    if (found == extra_.end()) return {};
    if (found->second.size() == count &&
        std::ranges::all_of(found->second, [](double value) { return std::isfinite(value); })) {
      return found->second;
    }
    Fail(name, absl::StrCat(count, " numbers"), absl::StrCat(found->second.size()));
    return {};
  }
  size_t Size(const std::string& name) const {
    const auto found = extra_.find(name);
    return found == extra_.end() ? 0 : found->second.size();
  }
  void Fail(const std::string& name, const std::string& expected, const std::string& got) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat("extra: ", name, ": expected ", expected, ", got ", got));
  }
  absl::Status Finish() {
    for (const auto& [name, values] : extra_) {
      if (std::ranges::find(known_, name) != known_.end()) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("extra: unknown name \"", name, "\"", DidYouMean(name, known_)));
    }
    return status_;
  }
  const absl::Status& status() const { return status_; }

 private:
  const ExtraState& extra_;
  std::vector<std::string> known_;
  absl::Status status_;
};

}  // namespace millrace::hide_and_seek
