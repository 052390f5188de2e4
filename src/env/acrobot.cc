// Acrobot-v1 of Gymnasium 1.x ("book" dynamics, no torque noise), in Gymnasium's order of
// operations.
#include <cmath>
#include <numbers>

#include "env/builtin_environments.h"
#include "env/classic_control.h"

namespace millrace {
namespace {

constexpr double kPi = std::numbers::pi;

// NumPy squares a scalar with pow(), which is not always value x value; this file is compiled such
// that the compiler does not make a product of it.
double Square(double value) { return std::pow(value, 2.0); }

double Wrap(double angle) {
  while (angle > kPi) angle -= 2 * kPi;
  while (angle < -kPi) angle += 2 * kPi;
  return angle;
}

class Acrobot {
 public:
  using State = std::array<double, 4>;  // theta1, theta2, their rates

  int64_t observation_size() const { return 6; }
  ActionSpec action() const { return ActionSpec::Discrete(3); }

  // Gymnasium rounds the first state to float32.
  static State Start(Rng& rng) {
    State state;
    for (double& value : state) value = static_cast<float>(rng.Uniform(-0.1, 0.1));
    return state;
  }

  static ClassicStep Advance(State& state, const AgentSlot& action) {
    state = RungeKutta4(state, static_cast<double>(action.discrete[0] - 1));
    state[0] = Wrap(state[0]);
    state[1] = Wrap(state[1]);
    state[2] = std::clamp(state[2], -4 * kPi, 4 * kPi);
    state[3] = std::clamp(state[3], -9 * kPi, 9 * kPi);
    const bool high = -std::cos(state[0]) - std::cos(state[1] + state[0]) > 1.0;
    return {.reward = high ? 0.0 : -1.0, .terminated = high};
  }

  static void Observe(const State& state, std::span<float> observation) {
    observation[0] = static_cast<float>(std::cos(state[0]));
    observation[1] = static_cast<float>(std::sin(state[0]));
    observation[2] = static_cast<float>(std::cos(state[1]));
    observation[3] = static_cast<float>(std::sin(state[1]));
    observation[4] = static_cast<float>(state[2]);
    observation[5] = static_cast<float>(state[3]);
  }

 private:
  // Masses, lengths and moments of inertia are 1, centres of mass at 0.5: left out where they are
  // factors of 1.
  static State Derivative(const State& state, double torque) {
    constexpr double kGravity = 9.8, kCentre = 0.5;
    const auto& [theta1, theta2, rate1, rate2] = state;
    const double square = kCentre * kCentre;
    const double d1 = square + (1 + square + 2 * kCentre * std::cos(theta2)) + 1 + 1;
    const double d2 = (square + kCentre * std::cos(theta2)) + 1;
    const double phi2 = kCentre * kGravity * std::cos(theta1 + theta2 - kPi / 2.0);
    const double phi1 = -kCentre * Square(rate2) * std::sin(theta2) -
                        2 * kCentre * rate2 * rate1 * std::sin(theta2) +
                        (kCentre + 1) * kGravity * std::cos(theta1 - kPi / 2) + phi2;
    const double acceleration2 =
        (torque + d2 / d1 * phi1 - kCentre * Square(rate1) * std::sin(theta2) - phi2) /
        (square + 1 - Square(d2) / d1);
    const double acceleration1 = -(d2 * acceleration2 + phi1) / d1;
    return {rate1, rate2, acceleration1, acceleration2};
  }

  static State Along(const State& state, double time, const State& slope) {
    State moved;
    for (size_t i = 0; i < state.size(); ++i) moved[i] = state[i] + time * slope[i];
    return moved;
  }

  static State RungeKutta4(const State& state, double torque) {
    constexpr double kTimeStep = 0.2;
    const State k1 = Derivative(state, torque);
    const State k2 = Derivative(Along(state, kTimeStep / 2, k1), torque);
    const State k3 = Derivative(Along(state, kTimeStep / 2, k2), torque);
    const State k4 = Derivative(Along(state, kTimeStep, k3), torque);
    State next;
    for (size_t i = 0; i < state.size(); ++i) {
      next[i] = state[i] + kTimeStep / 6.0 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
    }
    return next;
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Environment>> MakeAcrobot(const Options& options) {
  return MakeClassicControl(Acrobot(), options, 500, "acrobot");
}

}  // namespace millrace
