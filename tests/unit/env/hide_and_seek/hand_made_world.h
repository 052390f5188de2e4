// Worlds without walls in which everything lies where a test puts it.
#pragma once

#include <array>
#include <vector>

#include "env/hide_and_seek/world.h"

namespace millrace::hide_and_seek {

struct Places {
  std::vector<std::array<double, 2>> hiders = {}, seekers = {};  // corners
  std::vector<Thing> boxes = {}, ramps = {};
};

inline World HandMadeWorld(const Places& places) {
  World world;
  world.hiders = static_cast<int>(places.hiders.size());
  world.seekers = static_cast<int>(places.seekers.size());
  world.agents = places.hiders;
  world.agents.insert(world.agents.end(), places.seekers.begin(), places.seekers.end());
  world.boxes = places.boxes;
  world.ramps = places.ramps;
  return world;
}

inline Thing Cube(double x, double y) { return {.x = x, .y = y}; }

}  // namespace millrace::hide_and_seek
