#include "env/hide_and_seek/transfer/counting_world.h"

#include "env/hide_and_seek/uniform_int.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kMiddle = 3;                                            // of the floor, in metres
constexpr double kAgentSide = 0.3;                                       // of the square around it
constexpr double kAgentY = 5.6, kFirstBoxY = 4.1, kBetweenBoxes = 0.65;  // middles
// The wall is the row of cells from 4.4 to 4.6 m, its window 0.7 m wide.
constexpr int kWallRow = 22, kWindowFirst = 14, kWindowLast = 15;

void AddWalls(int last, WallPlan& plan) {
  plan.walls = {{0, 0, 0, last, true},
                {0, 0, last, 0, true},
                {last, 0, last, last, true},
                {0, last, last, last, true},
                {0, kWallRow, kWindowFirst - 1, kWallRow},
                {kWindowLast + 1, kWallRow, last, kWallRow}};
  plan.doors = {{kWindowFirst, kWallRow, kWindowLast, kWallRow}};
}

}  // namespace

World DrawCountingWorld(const Settings& settings, Rng& rng) {
  World world;
  world.hiders = 1;
  AddWalls(settings.grid_size - 1, world.plan);
  world.agents = {{kMiddle - kAgentSide / 2, kAgentY - kAgentSide / 2}};
  int right = UniformInt(0, kCountedBoxes, rng);
  for (int left = kCountedBoxes; left > 0; --left) {
    const bool goes_right = UniformInt(1, left, rng) <= right;
    right -= goes_right ? 1 : 0;
    world.goes_right.push_back(goes_right);
    Thing box;
    box.x = kMiddle - box.size[0] / 2;
    box.y = kFirstBoxY - kBetweenBoxes * (kCountedBoxes - left) - box.size[1] / 2;
    world.boxes.push_back(box);
  }
  return world;
}

}  // namespace millrace::hide_and_seek
