#include "env/random_action.h"

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

int32_t RandomChoice(std::span<const uint8_t> allowed, Rng& rng) {
  const auto count = std::ranges::count_if(allowed, [](uint8_t allow) { return allow != 0; });
  if (count == 0) return 0;
  uint64_t remaining = rng.Below(static_cast<uint64_t>(count));
  for (size_t choice = 0; choice < allowed.size(); ++choice) {
    if (allowed[choice] != 0 && remaining-- == 0) return static_cast<int32_t>(choice);
  }
  return 0;
}

float UniformReal(float low, float high, Rng& rng) {
  const double from = std::isfinite(low) ? low : std::min(-1.0f, high - 1.0f);
  const double to = std::isfinite(high) ? high : std::max(1.0, from + 1.0);
  return std::clamp(static_cast<float>(rng.Uniform(from, to)), low, high);
}

}  // namespace

void SampleRandomAction(const ActionSpec& action, std::span<const uint8_t> mask, Rng& rng,
                        std::span<int32_t> discrete, std::span<float> continuous,
                        RandomReals reals) {
  size_t next_discrete = 0, next_choice = 0, next_real = 0;
  for (const ActionComponent& component : action.components) {
    if (component.kind == ActionComponent::Kind::kDiscrete) {
      const auto choices = static_cast<size_t>(component.choices);
      discrete[next_discrete++] = mask.empty()
                                      ? static_cast<int32_t>(rng.Below(choices))
                                      : RandomChoice(mask.subspan(next_choice, choices), rng);
      next_choice += choices;
      continue;
    }
    for (size_t i = 0; i < component.low.size(); ++i) {
      const float low = component.low[i], high = component.high[i];
      continuous[next_real++] = reals == RandomReals::kUniform
                                    ? UniformReal(low, high, rng)
                                    : std::clamp(static_cast<float>(rng.Normal()), low, high);
    }
  }
}

}  // namespace millrace
