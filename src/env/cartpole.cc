#include "env/cartpole.h"

#include "env/builtin_environments.h"

namespace millrace {

Drawing CartPole::Draw(const State& state) {
  constexpr double kTrackWidth = 0.02, kCartWidth = 0.4, kCartHeight = 0.24, kPoleWidth = 0.08;
  const double x = state[0], theta = state[2], length = 2 * kHalfLength;
  const shapes::Point axle = {x, kCartHeight / 2};
  const shapes::Point tip = {axle.x + length * std::sin(theta), axle.y + length * std::cos(theta)};
  Drawing drawing{.low = {-kMaxX, -0.4}, .high = {kMaxX, 1.4}};
  drawing.shapes = {
      shapes::Line{{-kMaxX, 0}, {kMaxX, 0}, {0.4, 0.4, 0.4}, kTrackWidth},
      shapes::Polygon{RectangleCorners({x - kCartWidth / 2, -kCartHeight / 2},
                                       {x + kCartWidth / 2, kCartHeight / 2}),
                      {.fill = {0.2, 0.2, 0.2}}},
      shapes::Line{axle, tip, {0.84, 0.37, 0}, kPoleWidth},
      shapes::Circle{axle, kPoleWidth / 2, {.fill = {0, 0.45, 0.7}}},
  };
  return drawing;
}

absl::StatusOr<std::unique_ptr<Environment>> MakeCartPole(const Options& options) {
  const bool velocity = options.GetBool("velocity", true);
  return MakeClassicControl(CartPole(velocity), options, CartPole::kMaxEpisodeSteps, "cartpole");
}

}  // namespace millrace
