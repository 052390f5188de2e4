#include "clicks/click_metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace millrace::clicks {
namespace {

double LogLoss(double probability, double label) {
  constexpr double kLeast = 1e-7;
  const double p = std::clamp(probability, kLeast, 1 - kLeast);
  return -(label * std::log(p) + (1 - label) * std::log(1 - p));
}

// Mann and Whitney's statistic, from ranks; of equal scores their mean.
double Auc(std::span<const float> scores, std::span<const float> labels, double clicks) {
  const auto count = static_cast<double>(scores.size());
  if (clicks == 0 || clicks == count) return 0.5;
  std::vector<uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [&](uint32_t i) { return scores[i]; });
  double ranks = 0;  // of clicks
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    double clicked = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end) {
      clicked += labels[order[end]];
    }
    ranks += clicked * (static_cast<double>(begin + end) + 1) / 2;
  }
  return (ranks - clicks * (clicks + 1) / 2) / (clicks * (count - clicks));
}

}  // namespace

ClickMetrics MeasureClicks(std::span<const float> probabilities, std::span<const float> labels) {
  ClickMetrics metrics;
  if (labels.empty()) return metrics;
  if (std::ranges::any_of(probabilities, [](float p) { return p != p; })) {
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    return {.auc = kNaN, .log_loss = kNaN, .normalized_entropy = kNaN, .calibration = kNaN};
  }
  const double clicks = std::accumulate(labels.begin(), labels.end(), 0.0);
  const double share = clicks / static_cast<double>(labels.size());
  double sum = 0;
  for (size_t i = 0; i < labels.size(); ++i) sum += LogLoss(probabilities[i], labels[i]);
  metrics.auc = Auc(probabilities, labels, clicks);
  metrics.log_loss = sum / static_cast<double>(labels.size());
  metrics.normalized_entropy = metrics.log_loss / LogLoss(share, share);
  metrics.calibration =
      std::accumulate(probabilities.begin(), probabilities.end(), 0.0) / std::max(1.0, clicks);
  return metrics;
}

}  // namespace millrace::clicks
