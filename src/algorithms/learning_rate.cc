#include "algorithms/learning_rate.h"

namespace millrace {

LearningRate ReadLearningRate(const Options& options, double initial) {
  return {.initial = options.GetDouble("learning_rate", initial, 0.0, 10.0),
          .linear = options.GetChoice("schedule", "constant", {"constant", "linear"}) == "linear"};
}

}  // namespace millrace
