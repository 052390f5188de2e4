#include "env/hide_and_seek/transfer/counting.h"

#include <algorithm>

#include "env/hide_and_seek/transfer/counting_world.h"

namespace millrace::hide_and_seek {
namespace {

constexpr int64_t kFirstStep = 2, kStepsPerBox = 5;
constexpr int64_t kSlide = 11;  // steps that a box takes
// Friction of the floor takes 10 m/s from it every second: it comes 2.3 m far.
constexpr double kSpeed = 6.8;

int WentRight(const Episode& episode) {
  return static_cast<int>(std::ranges::count(episode.world().goes_right, true));
}

}  // namespace

int64_t CountingSteps() { return kFirstStep + kStepsPerBox * (kCountedBoxes - 1) + kSlide; }

Counting::Counting(const Settings& settings)
    : TaskRules({"answer", "right"}), settings_(settings) {}

void Counting::BeginStep(Episode& episode) {
  const int64_t since = episode.step() - kFirstStep;
  if (since < 0 || since % kStepsPerBox != 0) return;
  const auto& goes_right = episode.world().goes_right;
  const auto box = static_cast<size_t>(since / kStepsPerBox);
  if (box >= goes_right.size()) return;
  episode.scene().Kick(static_cast<int>(box), goes_right[box] ? kSpeed : -kSpeed, 0);
}

Action Counting::Allowed(const Episode& /*episode*/, int /*agent*/,
                         const Action& /*action*/) const {
  return {};
}

void Counting::Pay(Episode& episode, std::span<const Action> actions, std::span<float> rewards) {
  if (Asked(episode)) answer_ = actions[0].move[0];
  rewards[0] = Succeeds(episode) ? 1 : 0;
}

bool Counting::Succeeds(const Episode& episode) const { return answer_ == WentRight(episode); }

std::vector<double> Counting::Measure(const Episode& episode) const {
  return {static_cast<double>(answer_), static_cast<double>(WentRight(episode))};
}

}  // namespace millrace::hide_and_seek
