// The MuJoCo model of a world: sizes, masses, friction and motors as in OpenAI's public code.
#pragma once

#include <array>
#include <memory>

#include "absl/status/statusor.h"
#include "env/hide_and_seek/settings.h"
#include "env/hide_and_seek/world.h"
#include "env/mujoco/simulation.h"

namespace millrace::hide_and_seek {

// An environment step.
inline constexpr int kSubsteps = 15;
inline constexpr double kTimeStep = 0.005, kStepSeconds = kSubsteps * kTimeStep;
inline constexpr double kAgentRadius = 0.15, kArmRadius = 0.05;
// Of the two arms, in the agent's frame: they collide, but weigh nothing.
inline constexpr std::array<std::array<double, 3>, 2> kArms = {
    {{0.13, -0.075, -0.05}, {-0.13, -0.075, -0.05}}};
inline constexpr double kMotorGear = 100;  // N or N m of a control of 1
inline constexpr double kWallHeight = 0.5, kOuterWallHeight = 4;

// Bodies after the static ones are agents, boxes and ramps, in this order, named agentI, boxI and
// rampI; each has joints x, y, z and yaw. One weld per agent, inactive. kInternal if MuJoCo
// refuses.
absl::StatusOr<std::unique_ptr<MujocoSimulation>> CompileScene(const Settings& settings,
                                                               const World& world);

}  // namespace millrace::hide_and_seek
