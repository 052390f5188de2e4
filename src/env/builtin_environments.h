// The environments Millrace comes with. All single environments but rec_slate can tell and take
// their physical state, and all can be saved; `state` and `extra` are those of `millrace env step`.
//
// Every limit on the episode length counts steps since the reset; reaching it truncates, also in a
// step that terminates. Option of all that have a limit: max_episode_steps. `extra` of all of them:
// step, the steps since the reset.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "millrace/env/environment.h"
#include "millrace/env/vector_environment.h"

namespace millrace {

// CartPole-v1 of Gymnasium 1.x (Barto, Sutton and Anderson 1983): two choices (left, right), reward
// 1, limit 500. Observation float32 [4] = state: x, x_dot, theta, theta_dot.
// Option velocity (true): false hides the two velocities (observation [2]), for recurrent policies.
absl::StatusOr<std::unique_ptr<Environment>> MakeCartPole(const Options& options);
// The same as struct-of-arrays: equal to the single one in every bit.
absl::StatusOr<std::unique_ptr<VectorEnvironment>> MakeCartPoleBatch(const Options& options,
                                                                     int count);

// Pendulum-v1: a torque in [-2, 2], clipped inside; never terminates, limit 200. Observation
// float32 [3] = cos(theta), sin(theta), rate; state: theta, rate.
absl::StatusOr<std::unique_ptr<Environment>> MakePendulum(const Options& options);

// Acrobot-v1 (Sutton 1996, the book's equations): torque -1, 0 or 1 on the elbow, reward -1 until
// the tip is above the line, limit 500. Observation float32 [6] = cos and sin of both angles, then
// the rates; state: theta1, theta2 and their rates.
absl::StatusOr<std::unique_ptr<Environment>> MakeAcrobot(const Options& options);

// MountainCar-v0 (Moore 1990): push left, none, right; reward -1, limit 200. Observation float32
// [2] = state: position, velocity.
absl::StatusOr<std::unique_ptr<Environment>> MakeMountainCar(const Options& options);

// Remember a cue. One of `choices` (2) cues is shown in the first step, nothing or noise for
// `delay` (8) steps, then the query: choosing the cue pays 1, everything else 0, and the episode
// terminates after delay + 2 steps. A policy with memory reaches 1.0 an episode, one without
// 1 / choices.
// Observation float32 [choices + 1]: the cue one-hot in the first step, later uniform noise in
// [0, `noise`) (0.0); the last entry is 1 in the query step. State: cue; extra: step, noise_seed.
absl::StatusOr<std::unique_ptr<Environment>> MakeMemory(const Options& options);

// Catch of bsuite (Osband et al. 2020, arXiv:1908.03568): a ball falls from a random column of the
// top row, one row a step; the paddle in the bottom row begins in the middle and moves left, not,
// or right. When the ball is at the bottom the episode terminates and pays 1 if the paddle is
// there, else -1. A policy that sees reaches 1.0 an episode, random moves -0.6.
// Observation uint8 [rows, columns, 1]: 255 for ball and paddle, else 0. State: columns of ball and
// paddle; extra: step, the row of the ball. Options: rows (10), columns (5).
absl::StatusOr<std::unique_ptr<Environment>> MakeCatch(const Options& options);

// Two independent CartPoles as agents "agent_0" and "agent_1". Each one's episode ends on its own;
// it is absent until both have ended. State: agent_0's four numbers, then agent_1's; extra: also
// present_0 and present_1 (0 or 1).
absl::StatusOr<std::unique_ptr<Environment>> MakeTwoAgentCartPole(const Options& options);

// Everything the interface allows at once, to try policies and algorithms on; see assortment.cc for
// the task. Three agents of which two come and go; an observation of five fields (uint8 picture,
// float32 vector, int64 clock, cue, action mask); an action of two discrete components and a
// continuous one. At most 1 is paid a step.
// Options: memory (false): the cue is shown only in an agent's first observation, so recurrence
// pays; max_episode_steps (16).
absl::StatusOr<std::unique_ptr<Environment>> MakeAssortment(const Options& options);

// RecSlate: recommend `slate` (3) of `candidates` (10) items to a user, step after step, until the
// user's patience is used up. The dynamics are those of interest evolution in RecSim (Ie et al.
// 2019, arXiv:1909.04847); what is seen are ids alone. See rec_slate.h. Options: candidates, slate,
// items (100000), users (1000000), hide_items (false: all items look alike), world (24: the seed of
// items and users), max_episode_steps (2000).
absl::StatusOr<std::unique_ptr<Environment>> MakeRecSlate(const Options& options);

}  // namespace millrace
