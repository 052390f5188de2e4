// Hide and seek (Baker et al. 2020, arXiv:1909.07528) on MuJoCo: the rules of OpenAI's public code.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "millrace/env/environment.h"

namespace millrace {

// Agents hider_0, ..., seeker_0, ...: as many as an episode can have, of which those it does have
// are present. One observation of hide_and_seek/observation.h and five choices of 11, 11, 11, 2 and
// 2 each: force along x, along y, torque, pull, lock. Rewards of +-1 a step after the preparation,
// -10 outside of the allowed area. Episodes end by the time limit, which truncates; one whose
// simulation breaks down ends at once, with a reward of 0. State: qpos, then qvel, each in the
// order of agents, boxes, ramps.
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekQuadrant(const Options& options);
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekFull(const Options& options);
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekLarge(const Options& options);

// The transfer tasks of the same paper, with the observations and actions above: one agent,
// hider_0, on its own. State as above.

// Lock a box, then go back to where the episode began (transfer/box_locking.h).
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekLockAndReturn(const Options& options);
// Find out in which order boxes can be locked, over ramps from room to room (the same header).
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekSequentialLock(const Options& options);
// Put boxes where they are wanted, which terminates (transfer/blueprint.h).
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekBlueprint(const Options& options);
// Put boxes around a cylinder (transfer/shelter.h).
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekShelter(const Options& options);
// Watch boxes and say how many went to the right, which terminates (transfer/counting.h).
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekCounting(const Options& options);

}  // namespace millrace
