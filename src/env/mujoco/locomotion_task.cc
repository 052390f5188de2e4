#include "env/mujoco/locomotion_task.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "env/mujoco/model_files.h"

namespace millrace {
namespace {

using Numbers = std::span<const double>;

// Writes one part of an observation after another.
class Writer {
 public:
  explicit Writer(std::span<double> out) : next_(out.begin()) {}
  void Put(Numbers values) { next_ = std::ranges::copy(values, next_).out; }
  void PutClipped(Numbers values, double limit) {
    for (const double value : values) *next_++ = std::clamp(value, -limit, limit);
  }

 private:
  std::span<double>::iterator next_;
};

// Rows [1, nbody) of a per-body array: the world is left out.
Numbers BodyRows(const mjModel& model, const double* array, int width) {
  return {array + width, static_cast<size_t>((model.nbody - 1) * width)};
}

// In float32, as NumPy sums the squares of an action.
double SquaredSum(std::span<const float> action) {
  float sum = 0;
  for (const float value : action) sum += value * value;
  return static_cast<double>(sum);
}

double SquaredSum(Numbers values, double limit = std::numeric_limits<double>::infinity()) {
  double sum = 0;
  for (const double value : values) {
    const double clipped = std::clamp(value, -limit, limit);
    sum += clipped * clipped;
  }
  return sum;
}

bool AllWithin(Numbers values, double limit) {
  return std::ranges::all_of(values, [&](double value) { return std::abs(value) < limit; });
}

class HalfCheetah final : public LocomotionTask {
 public:
  const char* model() const override { return kHalfCheetahModel; }
  int frame_skip() const override { return 5; }
  ResetNoise reset_noise() const override { return {0.1, 0.1, /*normal_velocity=*/true}; }
  int observation_size(const mjModel& model) const override { return model.nq - 1 + model.nv; }
  void Observe(const MujocoSimulation& simulation, std::span<double> observation) const override {
    Writer writer(observation);
    writer.Put(simulation.qpos().subspan(1));
    writer.Put(simulation.qvel());
  }
  double Reward(const MujocoSimulation&, std::span<const float> action, double velocity,
                bool) const override {
    return velocity - 0.1 * SquaredSum(action);
  }
};

// Hopper and Walker2d: planar, upright or fallen.
class Upright : public LocomotionTask {
 public:
  int frame_skip() const override { return 4; }
  ResetNoise reset_noise() const override { return {0.005, 0.005}; }
  int observation_size(const mjModel& model) const override { return model.nq - 1 + model.nv; }
  void Observe(const MujocoSimulation& simulation, std::span<double> observation) const override {
    Writer writer(observation);
    writer.Put(simulation.qpos().subspan(1));
    writer.PutClipped(simulation.qvel(), 10);
  }
  double Reward(const MujocoSimulation&, std::span<const float> action, double velocity,
                bool healthy) const override {
    return velocity + (healthy ? 1 : 0) - 1e-3 * SquaredSum(action);
  }
};

class Hopper final : public Upright {
 public:
  const char* model() const override { return kHopperModel; }
  bool Healthy(const MujocoSimulation& simulation) const override {
    const Numbers qpos = simulation.qpos();
    return qpos[1] > 0.7 && std::abs(qpos[2]) < 0.2 && AllWithin(qpos.subspan(2), 100) &&
           AllWithin(simulation.qvel(), 100);
  }
};

class Walker2d final : public Upright {
 public:
  const char* model() const override { return kWalker2dModel; }
  bool Healthy(const MujocoSimulation& simulation) const override {
    const Numbers qpos = simulation.qpos();
    return qpos[1] > 0.8 && qpos[1] < 2.0 && std::abs(qpos[2]) < 1.0;
  }
};

class Ant final : public LocomotionTask {
 public:
  const char* model() const override { return kAntModel; }
  int frame_skip() const override { return 5; }
  ResetNoise reset_noise() const override { return {0.1, 0.1, /*normal_velocity=*/true}; }
  bool reads_contact_forces() const override { return true; }
  int observation_size(const mjModel& model) const override {
    return model.nq - 2 + model.nv + 6 * (model.nbody - 1);
  }
  double Position(const MujocoSimulation& simulation) const override {
    constexpr int kTorso = 1;
    return simulation.data().xpos[3 * kTorso];
  }
  void Observe(const MujocoSimulation& simulation, std::span<double> observation) const override {
    Writer writer(observation);
    writer.Put(simulation.qpos().subspan(2));
    writer.Put(simulation.qvel());
    writer.PutClipped(BodyRows(simulation.model(), simulation.data().cfrc_ext, 6), kContactLimit);
  }
  bool Healthy(const MujocoSimulation& simulation) const override {
    const auto finite = [](double value) { return std::isfinite(value); };
    const double height = simulation.qpos()[2];
    return std::ranges::all_of(simulation.qpos(), finite) &&
           std::ranges::all_of(simulation.qvel(), finite) && height >= 0.2 && height <= 1.0;
  }
  double Reward(const MujocoSimulation& simulation, std::span<const float> action, double velocity,
                bool healthy) const override {
    const Numbers forces(simulation.data().cfrc_ext,
                         static_cast<size_t>(6 * simulation.model().nbody));
    return velocity + (healthy ? 1 : 0) - 0.5 * SquaredSum(action) -
           5e-4 * SquaredSum(forces, kContactLimit);
  }

 private:
  static constexpr double kContactLimit = 1;
};

class Humanoid final : public LocomotionTask {
 public:
  const char* model() const override { return kHumanoidModel; }
  int frame_skip() const override { return 5; }
  ResetNoise reset_noise() const override { return {0.01, 0.01}; }
  bool reads_contact_forces() const override { return true; }
  int observation_size(const mjModel& model) const override {
    return model.nq - 2 + model.nv + (10 + 6 + 6) * (model.nbody - 1) + model.nv - kRootVelocities;
  }
  // Of the centre of mass.
  double Position(const MujocoSimulation& simulation) const override {
    const mjModel& model = simulation.model();
    double moment = 0, mass = 0;
    for (int body = 0; body < model.nbody; ++body) {
      moment += model.body_mass[body] * simulation.data().xipos[3 * body];
      mass += model.body_mass[body];
    }
    return moment / mass;
  }
  void Observe(const MujocoSimulation& simulation, std::span<double> observation) const override {
    const mjModel& model = simulation.model();
    const mjData& data = simulation.data();
    Writer writer(observation);
    writer.Put(simulation.qpos().subspan(2));
    writer.Put(simulation.qvel());
    writer.Put(BodyRows(model, data.cinert, 10));
    writer.Put(BodyRows(model, data.cvel, 6));
    writer.Put(Numbers(data.qfrc_actuator, static_cast<size_t>(model.nv)).subspan(kRootVelocities));
    writer.Put(BodyRows(model, data.cfrc_ext, 6));
  }
  bool Healthy(const MujocoSimulation& simulation) const override {
    const double height = simulation.qpos()[2];
    return height > 1.0 && height < 2.0;
  }
  double Reward(const MujocoSimulation& simulation, std::span<const float>, double velocity,
                bool healthy) const override {
    const mjModel& model = simulation.model();
    const Numbers controls(simulation.data().ctrl, static_cast<size_t>(model.nu));
    const Numbers forces(simulation.data().cfrc_ext, static_cast<size_t>(6 * model.nbody));
    return 1.25 * velocity + (healthy ? 5 : 0) - 0.1 * SquaredSum(controls) -
           std::min(5e-7 * SquaredSum(forces), 10.0);
  }

 private:
  static constexpr int kRootVelocities = 6;
};

}  // namespace

double LocomotionTask::Position(const MujocoSimulation& simulation) const {
  return simulation.qpos()[0];
}

std::unique_ptr<LocomotionTask> MakeHalfCheetahTask() { return std::make_unique<HalfCheetah>(); }
std::unique_ptr<LocomotionTask> MakeHopperTask() { return std::make_unique<Hopper>(); }
std::unique_ptr<LocomotionTask> MakeWalker2dTask() { return std::make_unique<Walker2d>(); }
std::unique_ptr<LocomotionTask> MakeAntTask() { return std::make_unique<Ant>(); }
std::unique_ptr<LocomotionTask> MakeHumanoidTask() { return std::make_unique<Humanoid>(); }

}  // namespace millrace
