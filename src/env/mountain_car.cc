// MountainCar-v0 of Gymnasium 1.x, in Gymnasium's order of operations.
#include <cmath>

#include "env/builtin_environments.h"
#include "env/classic_control.h"

namespace millrace {
namespace {

class MountainCar {
 public:
  using State = std::array<double, 2>;  // position, velocity

  int64_t observation_size() const { return 2; }
  ActionSpec action() const { return ActionSpec::Discrete(3); }

  static State Start(Rng& rng) { return {rng.Uniform(-0.6, -0.4), 0.0}; }

  static ClassicStep Advance(State& state, const AgentSlot& action) {
    auto& [position, velocity] = state;
    velocity += (action.discrete[0] - 1) * kForce + std::cos(3 * position) * (-kGravity);
    velocity = std::clamp(velocity, -kMaxSpeed, kMaxSpeed);
    position = std::clamp(position + velocity, kMinPosition, kMaxPosition);
    if (position == kMinPosition && velocity < 0) velocity = 0;
    return {.reward = -1.0, .terminated = position >= kGoalPosition && velocity >= 0};
  }

  static void Observe(const State& state, std::span<float> observation) {
    observation[0] = static_cast<float>(state[0]);
    observation[1] = static_cast<float>(state[1]);
  }

 private:
  static constexpr double kForce = 0.001;
  static constexpr double kGravity = 0.0025;
  static constexpr double kMaxSpeed = 0.07;
  static constexpr double kMinPosition = -1.2;
  static constexpr double kMaxPosition = 0.6;
  static constexpr double kGoalPosition = 0.5;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Environment>> MakeMountainCar(const Options& options) {
  return MakeClassicControl(MountainCar(), options, 200, "mountain_car");
}

}  // namespace millrace
