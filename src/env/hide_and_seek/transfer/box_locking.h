// The transfer tasks of locking boxes: lock and return, and sequential lock.
#pragma once

#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "env/hide_and_seek/transfer/task_rules.h"

namespace millrace::hide_and_seek {

// The target is the first box in the hidden order (world.lock_order) that is not locked. In
// sequential lock no other box can be locked. In lock and return, whose boxes have no order, the
// agent's target after the boxes is the place where it began. A step is paid
//   5 per box that became locked in it, -5 per box that was unlocked;
//   0.5 per metre by which the agent came nearer its target; locking the target pays the metres
//   that were left to it, unlocking a box costs those to the new target;
//   1 if all boxes are locked and, in lock and return, the agent is within settings.spawn_radius
//   of where it began.
// Distances are those between middles, seen from above.
class BoxLocking final : public TaskRules {
 public:
  explicit BoxLocking(const Settings& settings);

  void BeginStep(Episode& episode) override { before_ = Look(episode); }
  bool MayLock(const Episode& episode, int thing) const override;
  void Pay(Episode& episode, std::span<const Action> actions, std::span<float> rewards) override;
  bool Succeeds(const Episode& episode) const override;
  // locked: boxes at the end; returned (lock and return): 1 if the agent is back then.
  std::vector<double> Measure(const Episode& episode) const override;

 private:
  static constexpr int kNoTarget = -1;

  struct Moment {
    absl::InlinedVector<uint8_t, 8> locked;  // per box
    int target = kNoTarget;
    double to_target = 0, to_spawn = 0;
  };
  Moment Look(const Episode& episode) const;
  double Approach(const Moment& now) const;
  double ToSpawn(const Episode& episode) const;

  const Settings settings_;
  const bool returns_;  // lock and return, else sequential lock
  Moment before_;       // scratch of a step
};

}  // namespace millrace::hide_and_seek
