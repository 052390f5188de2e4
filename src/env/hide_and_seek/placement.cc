#include "env/hide_and_seek/placement.h"

#include <algorithm>
#include <cmath>

#include "env/hide_and_seek/uniform_int.h"

namespace millrace::hide_and_seek {
namespace {

constexpr int kTries = 10;

}  // namespace

PlacementGrid::PlacementGrid(int cells, double cell)
    : cells_(cells), cell_(cell), taken_(static_cast<size_t>(cells) * static_cast<size_t>(cells)) {}

void PlacementGrid::Take(const Wall& wall) {
  Take(Cells{wall.x0, wall.y0, wall.x1 + 1, wall.y1 + 1});
}

std::optional<PlacementGrid::Place> PlacementGrid::TakeIn(std::span<const Cells> areas,
                                                          const std::array<double, 2>& size,
                                                          Rng& rng) {
  std::vector<Cells> first(areas.begin(), areas.end());
  for (Cells& area : first) {
    area.x1 -= CellsOf(size[0]) + 1;  // would be 1 less without the quirk
    area.y1 -= CellsOf(size[1]) + 1;
  }
  return TakeFirst(first, size, rng);
}

std::optional<PlacementGrid::Place> PlacementGrid::TakeNear(const Place& anchor, double radius,
                                                            const std::array<double, 2>& size,
                                                            Rng& rng) {
  const int reach = CellsOf(radius);
  const auto [x, y] = anchor.cell;
  const Cells first = {std::max(1, x - reach), std::max(1, y - reach),
                       std::min(cells_ - 1, x + reach), std::min(cells_ - 1, y + reach)};
  return TakeFirst({&first, 1}, size, rng);
}

std::optional<PlacementGrid::Place> PlacementGrid::TakeFirst(std::span<const Cells> areas,
                                                             const std::array<double, 2>& size,
                                                             Rng& rng) {
  for (int i = 0; i < kTries; ++i) {
    const Cells& area = areas[rng.Below(areas.size())];
    if (area.empty()) continue;
    Place place;
    place.cell = {UniformInt(area.x0, area.x1 - 1, rng), UniformInt(area.y0, area.y1 - 1, rng)};
    const Cells cells = CellsOf(place, size);
    if (!IsFree(cells)) continue;
    Take(cells);
    for (size_t axis = 0; axis < 2; ++axis) {
      const double slack = CellsOf(size[axis]) * cell_ - size[axis];
      place.corner[axis] = place.cell[axis] * cell_ + rng.Uniform(0.0, slack);
    }
    return place;
  }
  return std::nullopt;
}

// 1.0 m is five cells of 0.2 m also where the division gives a bit more.
int PlacementGrid::CellsOf(double metres) const {
  return static_cast<int>(std::ceil(metres / cell_ - 1e-9));
}

Cells PlacementGrid::CellsOf(const Place& place, const std::array<double, 2>& size) const {
  const auto [x, y] = place.cell;
  return {x, y, x + CellsOf(size[0]), y + CellsOf(size[1])};
}

bool PlacementGrid::IsFree(const Cells& cells) const {
  if (cells.x1 > cells_ || cells.y1 > cells_) return false;
  for (int x = cells.x0; x < cells.x1; ++x) {
    const auto column = taken_.begin() + static_cast<std::ptrdiff_t>(x) * cells_;
    if (std::any_of(column + cells.y0, column + cells.y1, [](char c) { return c != 0; })) {
      return false;
    }
  }
  return true;
}

void PlacementGrid::Take(const Cells& cells) {
  for (int x = cells.x0; x < cells.x1; ++x) {
    const auto column = taken_.begin() + static_cast<std::ptrdiff_t>(x) * cells_;
    std::fill(column + cells.y0, column + cells.y1, char{1});
  }
}

}  // namespace millrace::hide_and_seek
