// Where things go: the floor's cells, each free or taken, and how a place among them is drawn.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "env/hide_and_seek/world.h"
#include "millrace/core/rng.h"

namespace millrace::hide_and_seek {

// A thing takes whole cells, rounded up, and lies anywhere within them. Places are those of
// OpenAI's public code, with its quirk that the last cells of an area stay free. Value type.
class PlacementGrid {
 public:
  struct Place {
    std::array<int, 2> cell = {};       // the first that the thing takes
    std::array<double, 2> corner = {};  // metres
  };

  // `cells` x `cells` cells of `cell` metres.
  PlacementGrid(int cells, double cell);

  void Take(const Wall& wall);
  // Draws an area, then a place in it, until one is free, and takes that; nothing if 10 are not.
  // `size` in metres. An area in which the thing does not fit is a try in vain.
  std::optional<Place> TakeIn(std::span<const Cells> areas, const std::array<double, 2>& size,
                              Rng& rng);
  // As above, at most about `radius` metres from `anchor`: the first cell is at most so many cells
  // before that of the anchor, and one fewer after it.
  std::optional<Place> TakeNear(const Place& anchor, double radius,
                                const std::array<double, 2>& size, Rng& rng);
  int CellsOf(double metres) const;

 private:
  Cells CellsOf(const Place& place, const std::array<double, 2>& size) const;
  bool IsFree(const Cells& cells) const;
  void Take(const Cells& cells);
  // `areas`: of first cells.
  std::optional<Place> TakeFirst(std::span<const Cells> areas, const std::array<double, 2>& size,
                                 Rng& rng);

  int cells_;
  double cell_;
  std::vector<char> taken_;  // [x, y]
};

}  // namespace millrace::hide_and_seek
