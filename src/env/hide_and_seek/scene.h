// A world of hide and seek as MuJoCo simulates it: bodies, motors, grips and locks, without any
// rule of who may do what.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "env/hide_and_seek/ray_caster.h"
#include "env/hide_and_seek/settings.h"
#include "env/hide_and_seek/world.h"
#include "env/mujoco/simulation.h"
#include "millrace/data/drawing.h"

namespace millrace::hide_and_seek {

// Bodies are numbered: agents, then boxes, then ramps. Boxes and ramps are "things". Each has four
// joints: slides along x, y and z and a hinge about z, in world axes. Thread-compatible.
class Scene {
 public:
  static constexpr int kNoThing = -1;
  static constexpr int kJoints = 4;

  // kInternal if MuJoCo does not take the model. Everything lies where `world` says, at rest.
  static absl::StatusOr<std::unique_ptr<Scene>> Create(const Settings& settings,
                                                       const World& world);

  int num_agents() const { return num_agents_; }
  int num_boxes() const { return num_boxes_; }
  int num_things() const { return num_bodies_ - num_agents_; }
  int num_bodies() const { return num_bodies_; }

  // x, y, z of the body's lowest corner (before it turned) and the hinge's angle; their rates.
  std::span<const double, kJoints> Position(int body) const;
  std::span<const double, kJoints> Velocity(int body) const;
  // The direction in which an agent looks, from +x: a quarter turn behind the hinge's angle.
  double Heading(int agent) const;
  // The middle of the body, and of its shape: a ramp's centre of mass lies lower and behind.
  Vector3 Centre(int body) const;
  Vector3 ShapeCentre(int body) const;
  // The point so many metres along the body's own x and y from its middle, in its height.
  Vector3 PointOf(int body, double along, double across) const;
  // Full size of a thing along its own axes, in metres.
  const std::array<double, 3>& size(int body) const { return sizes_[static_cast<size_t>(body)]; }
  // From an agent's centre to the surface of a thing; 0 inside. A ramp counts as the cube around
  // it.
  double Distance(int agent, int thing) const;
  // A point from the middle of a thing, along the thing's own x and y.
  std::array<double, 2> InFrameOf(int thing, const Vector3& point) const;

  // Motors: force along x and y in N, torque about z in N m, until the next call.
  void Push(int agent, double force_x, double force_y, double torque);
  // From now on the agent holds the thing as it lies relative to it, or kNoThing. Holding what is
  // held already keeps the old relation.
  void Hold(int agent, int thing);
  int held(int agent) const { return held_[static_cast<size_t>(agent)]; }
  // Joint limits that keep the thing where it is; soft, so that it can be nudged.
  void Lock(int thing);
  void Unlock(int thing);

  // Gives a thing this velocity, in metres a second, which friction then takes from it.
  void Kick(int thing, double x, double y);

  // One environment step: 15 steps of 5 ms. False if the simulation broke down.
  bool Step();

  // Shapes of everything but the floor, as of the last Step(): bodies as numbered here.
  const RayCaster& rays() const { return rays_; }

  // SetState replaces both and forgets everything else: grips, locks, the solver's memory.
  std::span<const double> qpos() const { return simulation_->qpos(); }
  std::span<const double> qvel() const { return simulation_->qvel(); }
  void SetState(std::span<const double> qpos, std::span<const double> qvel);
  // What a grip or a lock keeps, for a state that is written down. The relation is position (3) and
  // quaternion (4) of the thing in the agent's frame; a lock's is the four joint positions.
  std::array<double, 7> Grip(int agent) const;
  void SetGrip(int agent, int thing, std::span<const double, 7> relation);
  std::array<double, kJoints> LockedAt(int thing) const;
  void SetLock(int thing, std::span<const double, kJoints> position);

  // Everything the next step depends on, bit for bit.
  std::string Save() const;
  absl::Status Restore(std::string_view saved);

  // For pictures alone: how a body's shapes are painted, and what paints them.
  void SetColor(int body, const shapes::Color& color);
  MujocoSimulation& simulation() { return *simulation_; }

  const mjModel& model() const { return simulation_->model(); }
  const mjData& data() const { return simulation_->data(); }

 private:
  Scene(std::unique_ptr<MujocoSimulation> simulation, const World& world, const Settings& settings);
  int BodyOfThing(int thing) const { return num_agents_ + thing; }
  void AddShapes(const World& world, const Settings& settings);
  void MoveShapes();

  const std::unique_ptr<MujocoSimulation> simulation_;
  const int num_agents_, num_boxes_, num_bodies_;
  std::vector<std::array<double, 3>> sizes_;  // per body
  std::vector<int> ids_, shapes_;             // MuJoCo's bodies and their first geoms
  std::vector<int> held_;                     // per agent
  RayCaster rays_;
};

}  // namespace millrace::hide_and_seek
