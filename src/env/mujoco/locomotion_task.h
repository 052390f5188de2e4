// What tells Gymnasium's five locomotion tasks apart (version 5 of each).
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "env/mujoco/simulation.h"

namespace millrace {

// The uniform noise of positions, and of velocities: uniform, or normal with this deviation.
struct ResetNoise {
  double position = 0;
  double velocity = 0;
  bool normal_velocity = false;
};

// Stateless. All methods but the first four read the simulation as mj_step has left it: what is
// derived from positions lags one evaluation behind them, as in Gymnasium.
class LocomotionTask {
 public:
  virtual ~LocomotionTask() = default;
  virtual const char* model() const = 0;  // MJCF
  virtual int frame_skip() const = 0;     // time steps of one environment step
  virtual ResetNoise reset_noise() const = 0;
  virtual int observation_size(const mjModel& model) const = 0;

  // Whether contact forces are read (mj_rnePostConstraint).
  virtual bool reads_contact_forces() const { return false; }
  // Of what the reward takes the velocity.
  virtual double Position(const MujocoSimulation& simulation) const;
  virtual void Observe(const MujocoSimulation& simulation, std::span<double> observation) const = 0;
  virtual bool Healthy(const MujocoSimulation&) const { return true; }
  virtual double Reward(const MujocoSimulation& simulation, std::span<const float> action,
                        double velocity, bool healthy) const = 0;
};

std::unique_ptr<LocomotionTask> MakeHalfCheetahTask();
std::unique_ptr<LocomotionTask> MakeHopperTask();
std::unique_ptr<LocomotionTask> MakeWalker2dTask();
std::unique_ptr<LocomotionTask> MakeAntTask();
std::unique_ptr<LocomotionTask> MakeHumanoidTask();

}  // namespace millrace
