// Where a network of type entity_attention finds its inputs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
  std::vector<FeatureBlock> flat, circular, sets;
  int64_t self_width = 0;  // of the flat features and the circular ones after their convolution
};

EntityInputs EntityInputsOf(const ModelSpec& spec, Network network);

}  // namespace millrace
