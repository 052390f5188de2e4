// How well clicks were told.
#pragma once

#include <span>

namespace millrace::clicks {

struct ClickMetrics {
  // The probability that a sample that was clicked was given a higher score than one that was not;
  // half of it if they were given the same. 0.5 if there is only one kind.
  double auc = 0.5;
  double log_loss = 0;  // nats a sample
  // The log loss divided by that of one who knows nothing but the share of clicks (He et al. 2014,
  // doi:10.1145/2648584.2648589).
  double normalized_entropy = 0;
  // Clicks as they were told, added up, over clicks; over 1 if there are none.
  double calibration = 0;
};

// All of them are NaN if a probability is. `probabilities` in (0, 1) and `labels` 0 or 1, as many.
// Thread-safe.
ClickMetrics MeasureClicks(std::span<const float> probabilities, std::span<const float> labels);

}  // namespace millrace::clicks
