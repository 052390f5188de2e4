// What the transfer tasks have in common: one agent, and a state of the world that counts as done.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "env/hide_and_seek/episode.h"
#include "env/hide_and_seek/rules.h"

namespace millrace::hide_and_seek {

// Statistics of every task, then its own measures:
//   success         1 if the task was done after at least one step
//   success_at_end  1 if it was done after the last step
//   success_steps   steps after which it was done
//   return          sum of the rewards
//   discarded       1 if the simulation broke down
// All but `discarded` are NaN for an episode that did not begin here (restored, or from a state).
class TaskRules : public Rules {
 public:
  // `measures`: names of what Measure() returns.
  explicit TaskRules(const std::vector<std::string>& measures);

  const std::vector<std::string>& StatisticNames() const override { return names_; }
  std::unique_ptr<Record> NewRecord(const Episode& episode) const override;

  // Whether the task is done, after a step.
  virtual bool Succeeds(const Episode& episode) const = 0;
  // Numbers about the end of an episode.
  virtual std::vector<double> Measure(const Episode& episode) const = 0;

 private:
  std::vector<std::string> names_;
};

}  // namespace millrace::hide_and_seek
