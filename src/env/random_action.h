// Random legal actions: for benchmarks and conformance suites.
#pragma once

#include <cstdint>
#include <span>

#include "millrace/core/rng.h"
#include "millrace/data/spaces.h"

namespace millrace {

// How the reals of boxes are drawn: evenly, or as a policy with fresh weights acts: standard
// normal, cut to the box.
enum class RandomReals { kUniform, kNormal };

// One agent's action. `mask` is its action mask [num_choices], or empty; a component with nothing
// allowed gets choice 0. Boxes without a finite bound are cut at -1 and 1.
void SampleRandomAction(const ActionSpec& action, std::span<const uint8_t> mask, Rng& rng,
                        std::span<int32_t> discrete, std::span<float> continuous,
                        RandomReals reals = RandomReals::kUniform);

}  // namespace millrace
