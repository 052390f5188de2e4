// The transfer task of building a plan: boxes to where they are wanted.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "env/hide_and_seek/transfer/task_rules.h"

namespace millrace::hide_and_seek {

// Each site is a square that a cube is to fill; what counts are its middle and its corners, and the
// middles and upright edges of boxes, as points in half the height of a box. A step costs 0.05 per
// metre of the mean over all corners of sites of
//   sum_j d_j e^(-1.5 d_j) / sum_j e^(-1.5 d_j),
// d_j the distances to the corners of all boxes. When every middle and corner of a site is less
// than 0.1 m from a middle or corner of a box, 3 per site are paid and the episode ends.
class Blueprint final : public TaskRules {
 public:
  Blueprint() : TaskRules({"sites_done", "distance"}) {}

  void Pay(Episode& episode, std::span<const Action> actions, std::span<float> rewards) override;
  bool Ended(const Episode& episode) const override { return Succeeds(episode); }
  bool Succeeds(const Episode& episode) const override;
  // At the end: sites_done: share of the sites that are filled; distance: the mean above.
  std::vector<double> Measure(const Episode& episode) const override;
};

}  // namespace millrace::hide_and_seek
