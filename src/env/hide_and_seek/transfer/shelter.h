// The transfer task of building a shelter around a cylinder.
#pragma once

#include <span>
#include <vector>

#include "env/hide_and_seek/transfer/task_rules.h"

namespace millrace::hide_and_seek {

// Each step costs 0.001 for every one of 100 rays that reaches the cylinder: 25 from each side of
// the floor, evenly spaced and just within the outer walls, from the floor to the cylinder's
// middle. Boxes and the agent are in their way. Done: no ray reaches it.
class Shelter final : public TaskRules {
 public:
  explicit Shelter(const Settings& settings);

  void Pay(Episode& episode, std::span<const Action> actions, std::span<float> rewards) override;
  bool Succeeds(const Episode& /*episode*/) const override { return through_ == 0; }
  // exposed: share of the rays that reach the cylinder at the end; locked: boxes then.
  std::vector<double> Measure(const Episode& episode) const override;

 private:
  int RaysThrough(const Episode& episode) const;

  std::vector<Vector3> starts_;  // of rays
  int through_ = 0;              // of them, after the step that was paid last
};

}  // namespace millrace::hide_and_seek
