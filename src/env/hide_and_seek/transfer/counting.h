// The transfer task of counting: how many boxes went to the right.
#pragma once

#include <span>
#include <vector>

#include "env/hide_and_seek/transfer/task_rules.h"

namespace millrace::hide_and_seek {

// The agent cannot move. One after another, every 5 steps, the boxes slide behind the wall, each to
// high x (right) or low x. After settings.horizon - 1 steps it is asked: the progress of the
// preparation is observed as 1, in all other steps as 0. The answer is force_x of the action then:
// level n says that n boxes went right. 1 is paid if that is so, and the episode ends.
//
// In the paper this is no game: the policy does not learn, and a classifier of its memory is
// trained on the number. Here what it says is paid, so any algorithm can learn it.
class Counting final : public TaskRules {
 public:
  explicit Counting(const Settings& settings);

  void BeginStep(Episode& episode) override;
  Action Allowed(const Episode& episode, int agent, const Action& action) const override;
  void Pay(Episode& episode, std::span<const Action> actions, std::span<float> rewards) override;
  bool Ended(const Episode& episode) const override { return episode.over(); }
  double Progress(const Episode& episode) const override { return Asked(episode) ? 1 : 0; }
  bool Succeeds(const Episode& episode) const override;
  // answer: what was said; right: how many went right.
  std::vector<double> Measure(const Episode& episode) const override;

 private:
  bool Asked(const Episode& episode) const { return episode.step() == settings_.horizon - 1; }

  const Settings settings_;
  int answer_ = -1;  // nothing was said
};

// Steps until the last box lies still out of sight.
int64_t CountingSteps();

}  // namespace millrace::hide_and_seek
