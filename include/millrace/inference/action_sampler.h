// From head outputs to actions, for many rows at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "millrace/data/spaces.h"
#include "millrace/inference/inference_model.h"

namespace millrace {

namespace kernels {
struct KernelSet;
}

// Where Sample() writes; row-major.
struct ActionSpans {
  std::span<int32_t> discrete;  // [rows, num_discrete]
  std::span<float> continuous;  // [rows, continuous_size]; not clipped to the box, which is the
                                // environment runner's business
  std::span<float> log_prob;    // [rows]: probability (density) of the whole action
};

// Gumbel-max for discrete components (Gumbel 1954), Box-Muller for continuous ones (Box & Muller
// 1958); the most likely action if `greedy`. Masked choices are never taken. A row's action depends
// on its key alone, whatever the other rows. Bound to one thread: it keeps its buffers.
class ActionSampler {
 public:
  explicit ActionSampler(const ActionSpec& action);

  // mask: [rows, num_choices], or empty. Row r draws with the key's row + r. The value head is not
  // looked at.
  void Sample(int rows, const HeadSpans& heads, std::span<const uint8_t> mask, const DrawKey& key,
              bool greedy, const ActionSpans& out);

 private:
  void Draw(size_t rows, const DrawKey& key);
  void ChooseDiscrete(size_t rows, const HeadSpans& heads, std::span<const uint8_t> mask,
                      bool greedy, const ActionSpans& out);
  void AddLogProbabilities(size_t rows, std::span<float> log_prob);
  void ChooseContinuous(size_t rows, const HeadSpans& heads, bool greedy, const ActionSpans& out);

  const kernels::KernelSet& kernels_;
  std::vector<size_t> components_;  // choices of each discrete one
  const size_t choices_, reals_;
  // One row takes so many blocks of four words for its choices, and for its reals.
  const size_t choice_blocks_, real_blocks_;
  std::vector<uint32_t> choice_words_, radii_, angles_;
  std::vector<float> gumbel_, cosines_, sines_;
  std::vector<float> exponentials_;  // [rows, choices]: of logits below the component's largest
  std::vector<float> sums_;          // [rows, components]
  std::vector<float> scales_;        // [continuous_size]: standard deviations
};

}  // namespace millrace
