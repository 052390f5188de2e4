// Where a network finds its inputs among the features, if things of the observation can be out of
// sight.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/data/tensor_view.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// `count` x `width` features from column `column` on: N entities of F numbers, a sequence of L
// steps of C numbers, or (count 1) flat features.
struct FeatureBlock {
  std::string field;
  int64_t column = 0;
  int64_t count = 1;
  int64_t width = 1;
  int mask = -1;  // index of the observation field that says which entities are there; -1: all

  int64_t size() const { return count * width; }
};

// Every list in the observation's order.
struct EntityInputs {
  // Of what dense layers read without attention: the flat features, then the entities of every set,
  // zeros for those that are not there, each set followed by its mask.
  int64_t dense_width() const;
  // Whether that is all features as they are.
  bool all_features() const { return sets.empty() && dense_width() == num_features; }

  std::vector<FeatureBlock> flat, circular, sets;
  int64_t num_features = 0;
  int64_t self_width = 0;  // of the flat features and the circular ones after their convolution
};

EntityInputs EntityInputsOf(const ModelSpec& spec, Network network);

// Whether number `index` of a mask is not 0.
bool IsThere(const TensorView& mask, int64_t index);

}  // namespace millrace
