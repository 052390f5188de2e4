// The learning-rate option that every algorithm has.
#pragma once

#include <algorithm>
#include <string>

#include "millrace/config/options.h"

namespace millrace {

// `learning_rate` and `schedule` (constant, or linear: down to 0 at the end of the run).
struct LearningRate {
  double initial = 3e-4;
  bool linear = false;

  // `progress` in [0, 1].
  double At(double progress) const {
    return linear ? initial * std::clamp(1.0 - progress, 0.0, 1.0) : initial;
  }
};

// The caller calls options.Finish(), which reports what does not fit.
LearningRate ReadLearningRate(const Options& options, double initial);

}  // namespace millrace
