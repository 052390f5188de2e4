// Pendulum-v1 of Gymnasium 1.x, in Gymnasium's order of operations and float widths.
#include <cmath>
#include <numbers>

#include "env/builtin_environments.h"
#include "env/classic_control.h"

namespace millrace {
namespace {

constexpr double kPi = std::numbers::pi;

// Python's remainder: the sign of the divisor.
double Remainder(double value, double divisor) {
  const double remainder = std::fmod(value, divisor);
  return remainder < 0 ? remainder + divisor : remainder;
}

class Pendulum {
 public:
  using State = std::array<double, 2>;  // theta, rate

  int64_t observation_size() const { return 3; }
  ActionSpec action() const { return ActionSpec::Continuous({-kMaxTorque}, {kMaxTorque}); }

  static State Start(Rng& rng) {
    const double theta = rng.Uniform(-kPi, kPi);
    return {theta, rng.Uniform(-1.0, 1.0)};
  }

  // The torque stays float32, as in NumPy.
  static ClassicStep Advance(State& state, const AgentSlot& action) {
    auto& [theta, rate] = state;
    const float torque = std::clamp(action.continuous[0], -kMaxTorque, kMaxTorque);
    const double angle = Remainder(theta + kPi, 2 * kPi) - kPi;
    const double cost =
        angle * angle + 0.1 * (rate * rate) + static_cast<double>(0.001f * (torque * torque));
    const double acceleration =
        3 * kGravity / 2.0 * std::sin(theta) + static_cast<double>(3.0f * torque);
    rate = std::clamp(rate + acceleration * kTimeStep, -kMaxRate, kMaxRate);
    theta = theta + rate * kTimeStep;
    return {.reward = -cost, .terminated = false};
  }

  static void Observe(const State& state, std::span<float> observation) {
    observation[0] = static_cast<float>(std::cos(state[0]));
    observation[1] = static_cast<float>(std::sin(state[0]));
    observation[2] = static_cast<float>(state[1]);
  }

 private:
  static constexpr float kMaxTorque = 2.0f;
  static constexpr double kMaxRate = 8.0;
  static constexpr double kTimeStep = 0.05;
  static constexpr double kGravity = 10.0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Environment>> MakePendulum(const Options& options) {
  return MakeClassicControl(Pendulum(), options, 200, "pendulum");
}

}  // namespace millrace
