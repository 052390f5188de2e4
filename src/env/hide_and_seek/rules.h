// What makes a game of a world: who may do what, what is paid, when it is over. Physics, grips,
// locks and eyes are the same in all games (episode.h).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "env/hide_and_seek/action.h"
#include "env/hide_and_seek/record.h"
#include "env/hide_and_seek/settings.h"

namespace millrace::hide_and_seek {

class Episode;

// The rules of one episode. No step depends on what they remember of the steps before: that is the
// world's and the scene's, which are saved and restored. Thread-compatible.
class Rules {
 public:
  virtual ~Rules() = default;

  // A step calls the following in this order, the first three with the eyes of the step before.
  // episode.step() is the number of steps before this one in all of them.
  virtual void BeginStep(Episode& /*episode*/) {}
  // What becomes of what an agent wants.
  virtual Action Allowed(const Episode& /*episode*/, int /*agent*/, const Action& action) const {
    return action;
  }
  // Whether a box or ramp in reach can be locked or unlocked.
  virtual bool MayLock(const Episode& /*episode*/, int /*thing*/) const { return true; }
  // After the physics: writes a reward for each agent. `actions`: what they wanted.
  virtual void Pay(Episode& episode, std::span<const Action> actions, std::span<float> rewards) = 0;

  // After a step: the game ended by itself, not by its horizon.
  virtual bool Ended(const Episode& /*episode*/) const { return false; }
  // What agents observe as the progress of the preparation, from 0 to 1.
  virtual double Progress(const Episode& /*episode*/) const { return 0; }

  virtual const std::vector<std::string>& StatisticNames() const = 0;
  // Of an episode that begins or goes on now, and outlives the record.
  virtual std::unique_ptr<Record> NewRecord(const Episode& episode) const = 0;
};

// Those of settings.game.
std::unique_ptr<Rules> MakeRules(const Settings& settings);

}  // namespace millrace::hide_and_seek
