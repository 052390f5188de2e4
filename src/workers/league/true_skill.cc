#include "workers/league/true_skill.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace millrace {
namespace {

double Density(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); }
double Distribution(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

// The inverse of Distribution for p in [0.5, 1), by bisection.
double Quantile(double p) {
  double low = 0, high = 40;
  while (high - low > 1e-12) {
    const double middle = (low + high) / 2;
    (Distribution(middle) < p ? low : high) = middle;
  }
  return low;
}

// By how much the mean and the deviation of a normal variable change that is cut off; the paper's v
// and w, which for outcomes of no chance tend to what is returned there.
struct Cut {
  double mean, deviation;
};

Cut AboveMargin(double difference, double margin) {
  const double x = difference - margin;
  const double chance = Distribution(x);
  if (chance < 1e-300) return {.mean = -x, .deviation = 1};
  const double v = Density(x) / chance;
  return {.mean = v, .deviation = v * (v + x)};
}

Cut WithinMargin(double difference, double margin) {
  const double x = std::abs(difference);
  const double below = -margin - x, above = margin - x;
  const double chance = Distribution(above) - Distribution(below);
  if (chance < 1e-300) return {.mean = difference < 0 ? -above : above, .deviation = 1};
  const double v = (Density(below) - Density(above)) / chance;
  const double w = v * v + (above * Density(above) - below * Density(below)) / chance;
  return {.mean = difference < 0 ? -v : v, .deviation = w};
}

void Move(double by, double shrink, double total_variance, Rating& rating) {
  const double variance = rating.deviation * rating.deviation;
  rating.mean += variance / std::sqrt(total_variance) * by;
  rating.deviation *= std::sqrt(std::max(1e-9, 1 - variance / total_variance * shrink));
}

}  // namespace

TrueSkill::TrueSkill(const TrueSkillOptions& options)
    : options_(options),
      draw_margin_(Quantile((options.draw_chance + 1) / 2) * std::numbers::sqrt2 *
                   options.performance) {}

void TrueSkill::Update(Outcome outcome, Rating& first, Rating& second) const {
  if (outcome == Outcome::kLoss) return Update(Outcome::kWin, second, first);
  for (Rating* rating : {&first, &second}) {
    rating->deviation = std::hypot(rating->deviation, options_.drift);
  }
  const double variance = first.deviation * first.deviation + second.deviation * second.deviation +
                          2 * options_.performance * options_.performance;
  const double scale = std::sqrt(variance);
  const double difference = (first.mean - second.mean) / scale;
  const Cut cut = outcome == Outcome::kWin ? AboveMargin(difference, draw_margin_ / scale)
                                           : WithinMargin(difference, draw_margin_ / scale);
  Move(cut.mean, cut.deviation, variance, first);
  Move(-cut.mean, cut.deviation, variance, second);
}

}  // namespace millrace
