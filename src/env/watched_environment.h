// An environment with somebody who looks on.
#pragma once

#include <memory>
#include <span>

#include "millrace/env/environment.h"

namespace millrace {

// Sees every moment, also the end of an episode, which a group's runner replaces by the beginning
// of the next one within the same call. Called in the thread that calls the environment, after
// calls that succeeded.
class EnvironmentWatcher {
 public:
  virtual ~EnvironmentWatcher() = default;
  // Also after ResetTo and RestoreState.
  virtual void AfterReset(Environment& environment) = 0;
  // `agents`: as the environment left them.
  virtual void AfterStep(Environment& environment, std::span<const AgentSlot> agents) = 0;
};

// The same environment, watched. `watcher` must outlive it.
std::unique_ptr<Environment> Watched(std::unique_ptr<Environment> environment,
                                     EnvironmentWatcher& watcher);

}  // namespace millrace
