// The physics of CartPole-v1, shared by the single environment, the struct-of-arrays one and
// two_agent_cartpole.
#pragma once

#include <array>
#include <cmath>
#include <numbers>

#include "env/classic_control.h"

namespace millrace {

// Gymnasium's equations in Gymnasium's order of operations, so that results agree in every bit.
class CartPole {
 public:
  using State = std::array<double, 4>;  // x, x_dot, theta, theta_dot
  static constexpr int64_t kMaxEpisodeSteps = 500;
  static constexpr int32_t kRight = 1;

  explicit CartPole(bool velocity) : velocity_(velocity) {}

  int64_t observation_size() const { return velocity_ ? 4 : 2; }
  ActionSpec action() const { return ActionSpec::Discrete(2); }

  static State Start(Rng& rng) {
    State state;
    for (double& value : state) value = rng.Uniform(-0.05, 0.05);
    return state;
  }

  static double Force(int32_t action) { return action == kRight ? kForce : -kForce; }

  static bool Failed(double x, double theta) {
    return x < -kMaxX || x > kMaxX || theta < -kMaxTheta || theta > kMaxTheta;
  }

  // One Euler step; `sine` and `cosine` are those of theta before it.
  static void Integrate(double force, double sine, double cosine, double& x, double& x_dot,
                        double& theta, double& theta_dot) {
    const double temp = (force + kPoleMassLength * (theta_dot * theta_dot) * sine) / kTotalMass;
    const double theta_acceleration =
        (kGravity * sine - cosine * temp) /
        (kHalfLength * (4.0 / 3.0 - kPoleMass * (cosine * cosine) / kTotalMass));
    const double x_acceleration = temp - kPoleMassLength * theta_acceleration * cosine / kTotalMass;
    x = x + kTau * x_dot;
    x_dot = x_dot + kTau * x_acceleration;
    theta = theta + kTau * theta_dot;
    theta_dot = theta_dot + kTau * theta_acceleration;
  }

  ClassicStep Advance(State& state, const AgentSlot& action) const {
    auto& [x, x_dot, theta, theta_dot] = state;
    Integrate(Force(action.discrete[0]), std::sin(theta), std::cos(theta), x, x_dot, theta,
              theta_dot);
    return {.reward = 1.0, .terminated = Failed(x, theta)};
  }

  // Side view: the track, the cart and its pole.
  static Drawing Draw(const State& state);

  void Observe(const State& state, std::span<float> observation) const {
    if (velocity_) {
      for (size_t i = 0; i < 4; ++i) observation[i] = static_cast<float>(state[i]);
    } else {
      observation[0] = static_cast<float>(state[0]);
      observation[1] = static_cast<float>(state[2]);
    }
  }

 private:
  static constexpr double kGravity = 9.8;
  static constexpr double kPoleMass = 0.1;
  static constexpr double kTotalMass = kPoleMass + 1.0;
  static constexpr double kHalfLength = 0.5;
  static constexpr double kPoleMassLength = kPoleMass * kHalfLength;
  static constexpr double kForce = 10.0;
  static constexpr double kTau = 0.02;
  static constexpr double kMaxX = 2.4;
  static constexpr double kMaxTheta = 12 * 2 * std::numbers::pi / 360;

  bool velocity_;
};

}  // namespace millrace
