#include "algorithms/learning_rate.h"

#include "absl/strings/str_cat.h"
#include "millrace/core/nearest_name.h"

namespace millrace {

absl::StatusOr<LearningRate> ReadLearningRate(const Options& options, double initial) {
  LearningRate rate;
  rate.initial = options.GetDouble("learning_rate", initial, 0.0, 10.0);
  const std::string schedule = options.GetString("schedule", "constant");
  rate.linear = schedule == "linear";
  if (rate.linear || schedule == "constant") return rate;
  const std::vector<std::string> known = {"constant", "linear"};
  return absl::InvalidArgumentError(absl::StrCat(options.values().at("schedule").where,
                                                 ": schedule: expected constant or linear, got \"",
                                                 schedule, "\"", DidYouMean(schedule, known)));
}

}  // namespace millrace
