// The models that `millrace bench inference` and `bench training` measure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

struct BenchModel {
  const char* name;
  ModelSpec spec;
  bool roof = true;  // whether the operations of a sample are known: not if entities are masked
};

// "mlp64x64" (4 features, 2 choices), "mlp256x256" (27, 8 reals), "lstm256" and "gru256" (27, 8
// reals), "nature_cnn" (84 x 84 x 4 bytes, 6 choices), "hide_and_seek" and "hide_and_seek_unmasked"
// (entity_attention, 16 entities); no names: all of them. kInvalidArgument for another name.
absl::StatusOr<std::vector<BenchModel>> FindBenchModels(const std::vector<std::string>& names);

// Of one sample, where `roof` is true.
struct ForwardCost {
  double operations = 0;  // a multiply-add is two; every matrix once, a kernel at each position
  double outputs = 0;     // floats that leave a matrix or a kernel
  double parameters = 0;  // trainable ones, floats
  double input_bytes = 0;
};
ForwardCost CostOf(const ModelSpec& spec);

}  // namespace millrace
