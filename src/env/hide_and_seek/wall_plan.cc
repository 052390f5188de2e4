// Walls and doors of the scenarios: Baker et al. 2020 (arXiv:1909.07528), drawn as in OpenAI's
// public code. WallPlanner draws one plan; RoomSplitter the inner walls of kRandomWalls for it.
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/hide_and_seek/uniform_int.h"
#include "env/hide_and_seek/world.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kHalfThickness = 0.05;
constexpr int kPlans = 1000;  // before giving up
constexpr int kFreshStarts = 10;
constexpr int kSplitTries = 10;
constexpr size_t kOuterWalls = 4;

// A wall before a door is cut into it: the column (of a vertical one) or row it lies in, and its
// first and last cell there.
struct Line {
  bool vertical = false;
  int at = 0, begin = 0, end = 0;
  // Where others meet it: from the side of lower x (or y), and from the other. Both know the ends.
  std::vector<int> low = {begin, end}, high = {begin, end};

  bool Holds(int cell) const { return begin <= cell && cell <= end; }
  int length() const { return end - begin; }
  Wall Piece(int first, int last, bool outer = false) const {
    return vertical ? Wall{at, first, at, last, outer} : Wall{first, at, last, at, outer};
  }
};

bool Cross(const Line& a, const Line& b) {
  return a.vertical != b.vertical && a.begin < b.at && b.at < a.end && b.begin < a.at &&
         a.at < b.end;
}

void MarkEndOf(const Line& other, Line& line) {
  if (line.vertical == other.vertical || !line.Holds(other.at)) return;
  if (other.begin == line.at) {
    line.high.push_back(other.at);
  } else if (other.end == line.at) {
    line.low.push_back(other.at);
  }
}

std::vector<Line> OuterLines(int grid) {
  const int last = grid - 1;
  return {{true, 0, 0, last}, {false, 0, 0, last}, {true, last, 0, last}, {false, last, 0, last}};
}

// Splits the floor into rooms, one wall after another. Bound to the `rng` it was given.
class RoomSplitter {
 public:
  RoomSplitter(int grid, int min_room_cells, Rng& rng)
      : min_room_cells_(min_room_cells), rng_(rng), lines_(OuterLines(grid)) {}

  // Adds a wall from one to another; false if ten tries found no place.
  bool Split() {
    for (int i = 0; i < kSplitTries; ++i) {
      const std::vector<Line> proposals = Propose(lines_[rng_.Below(lines_.size())]);
      if (proposals.empty()) continue;
      Add(proposals[rng_.Below(proposals.size())]);
      return true;
    }
    return false;
  }

  std::vector<Line> inner() const { return {lines_.begin() + kOuterWalls, lines_.end()}; }

 private:
  std::vector<Line> Propose(const Line& from) {
    std::vector<Line> proposals;
    for (const Line& to : lines_) {
      auto line = Connect(from, to);
      if (line && Fits(*line)) proposals.push_back(*std::move(line));
    }
    return proposals;
  }

  // As in the original, keeps its distance from what meets `from` on the side of `to`, not from
  // what meets `to`.
  std::optional<Line> Connect(const Line& from, const Line& to) {
    if (from.vertical != to.vertical || from.at == to.at || from.length() < 2) return std::nullopt;
    const int at = from.begin + UniformInt(1, from.length() - 1, rng_);
    if (!to.Holds(at)) return std::nullopt;
    for (const int other : to.at < from.at ? from.low : from.high) {
      if (std::abs(at - other) <= min_room_cells_) return std::nullopt;
    }
    const auto [begin, end] = std::minmax(from.at, to.at);
    return Line{!from.vertical, at, begin, end};
  }

  bool Fits(const Line& line) const {
    return std::ranges::none_of(lines_, [&](const Line& other) { return Cross(line, other); });
  }

  void Add(Line added) {
    for (Line& line : lines_) {
      MarkEndOf(added, line);
      MarkEndOf(line, added);
    }
    lines_.push_back(std::move(added));
  }

  const int min_room_cells_;
  Rng& rng_;
  std::vector<Line> lines_;
};

// The sections between the places where others meet the line that are long enough for a door.
std::vector<std::pair<int, int>> DoorSections(const Line& line, int door_cells) {
  std::vector<int> ends = line.low;
  ends.insert(ends.end(), line.high.begin(), line.high.end());
  std::ranges::sort(ends);
  std::vector<std::pair<int, int>> sections;
  for (size_t i = 1; i < ends.size(); ++i) {
    if (ends[i] - ends[i - 1] > door_cells) sections.emplace_back(ends[i - 1], ends[i]);
  }
  return sections;
}

// Draws one plan. Bound to the `rng` it was given.
class WallPlanner {
 public:
  WallPlanner(const Settings& settings, Rng& rng)
      : settings_(settings), grid_(settings.grid_size), rng_(rng) {}

  // Nothing if the rooms found no place.
  std::optional<WallPlan> Draw() {
    if (settings_.scenario == Scenario::kRandomWalls) {
      if (!DrawRooms()) return std::nullopt;
    } else {
      AddOuterWalls();
      DrawInnerWalls();
    }
    return std::move(plan_);
  }

 private:
  void DrawInnerWalls() {
    switch (settings_.scenario) {
      case Scenario::kHalf:
        return DrawHalf();
      case Scenario::kQuadrant:
        return DrawQuadrant(0.5);
      case Scenario::kVarQuadrant:
        return DrawQuadrant(rng_.Uniform(settings_.room_side[0], settings_.room_side[1]));
      case Scenario::kThreeRooms:
        return DrawThreeRooms();
      case Scenario::kEmpty:
      case Scenario::kRandomWalls:
        return;
    }
  }

  void DrawHalf() {
    AddWithDoor({false, grid_ / 2, 0, grid_ - 1});
    plan_.room = {1, 1, grid_, grid_ / 2};
  }

  void DrawQuadrant(double fraction) {
    const int side = static_cast<int>(fraction * grid_);
    const int corner = grid_ - side;
    const std::array<Line, 2> lines = {{{true, corner, 0, side}, {false, side, corner, grid_ - 1}}};
    const bool one_door = rng_.Uniform() < settings_.door_dropout;
    const int without = one_door ? UniformInt(0, 1, rng_) : -1;
    for (int i = 0; i < 2; ++i) {
      const Line& line = lines[static_cast<size_t>(i)];
      if (i == without) {
        Add(line, line.begin, line.end);
      } else {
        AddWithDoor(line);
      }
    }
    plan_.room = {corner, 1, grid_, side};
  }

  // Unlike the original's, the long wall never has its door where the short one meets it.
  void DrawThreeRooms() {
    const int middle = static_cast<int>(grid_ * rng_.Uniform(0.4, 0.6));
    const int split = static_cast<int>(grid_ * rng_.Uniform(0.4, 0.6));
    Line across = {rng_.Uniform() < 0.5, middle, 0, grid_ - 1};
    const bool below = rng_.Uniform() < 0.5;
    const Line branch = {!across.vertical, split, below ? 0 : middle, below ? middle : grid_ - 1};
    MarkEndOf(branch, across);
    AddWithDoor(across);
    AddWithDoor(branch);
    const int last = grid_ - 1;
    const int low = below ? 1 : middle + 1, high = below ? middle : last;  // of the divided half
    AddRoom(across.vertical, {low, 1, high, split});
    AddRoom(across.vertical, {low, split + 1, high, last});
    AddRoom(across.vertical, below ? Cells{middle + 1, 1, last, last} : Cells{1, 1, middle, last});
  }

  // `cells` of a plan whose long wall is vertical.
  void AddRoom(bool vertical, const Cells& cells) {
    plan_.rooms.push_back(vertical ? cells : Cells{cells.y0, cells.x0, cells.y1, cells.x1});
  }

  bool DrawRooms() {
    const int rooms = UniformInt(settings_.rooms, rng_);
    const auto inner = DrawInnerLines(rooms - 1);
    if (!inner) return false;
    if (rng_.Uniform() < settings_.outer_walls_chance) AddOuterWalls();
    for (const Line& line : *inner) AddWithDoor(line);
    return true;
  }

  std::optional<std::vector<Line>> DrawInnerLines(int count) {
    for (int i = 0; i < kFreshStarts; ++i) {
      RoomSplitter splitter(grid_, settings_.min_room_cells, rng_);
      int drawn = 0;
      while (drawn < count && splitter.Split()) ++drawn;
      if (drawn == count) return splitter.inner();
    }
    return std::nullopt;
  }

  void AddOuterWalls() {
    for (const Line& line : OuterLines(grid_)) {
      plan_.walls.push_back(line.Piece(line.begin, line.end, /*outer=*/true));
    }
  }

  // Whole where no door fits. A door never takes a cell where another wall meets this one.
  void AddWithDoor(const Line& line) {
    const int size = settings_.door_cells;
    const auto sections = DoorSections(line, size);
    if (size == 0 || sections.empty()) return Add(line, line.begin, line.end);
    const auto [begin, end] = sections[rng_.Below(sections.size())];
    const int first = begin + UniformInt(1, end - begin - size, rng_);
    Add(line, line.begin, first - 1);
    Add(line, first + size, line.end);
    plan_.doors.push_back(line.Piece(first, first + size - 1));
  }

  // What is left beside a door may be a single cell, which has no length.
  void Add(const Line& line, int first, int last) {
    if (first < last) plan_.walls.push_back(line.Piece(first, last));
  }

  const Settings& settings_;
  const int grid_;
  Rng& rng_;
  WallPlan plan_;
};

}  // namespace

Rect RectOf(const Wall& wall, double cell) {
  const double along = -kHalfThickness, across = kHalfThickness;
  const double x = wall.vertical() ? across : along, y = wall.vertical() ? along : across;
  return {(wall.x0 + 0.5) * cell - x, (wall.y0 + 0.5) * cell - y, (wall.x1 + 0.5) * cell + x,
          (wall.y1 + 0.5) * cell + y};
}

Rect OpeningOf(const Door& door, double cell) {
  Rect opening = RectOf(door, cell);
  const double more = cell + 2 * kHalfThickness;
  (door.vertical() ? opening.y0 : opening.x0) -= more;
  (door.vertical() ? opening.y1 : opening.x1) += more;
  return opening;
}

absl::StatusOr<WallPlan> DrawWalls(const Settings& settings, Rng& rng) {
  for (int i = 0; i < kPlans; ++i) {
    if (auto plan = WallPlanner(settings, rng).Draw()) return *std::move(plan);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("rooms: expected as many as fit on a floor of ", settings.grid_size, " x ",
                   settings.grid_size, " cells, each at least ", settings.min_room_cells,
                   " cells wide, got ", settings.rooms.low, " to ", settings.rooms.high));
}

}  // namespace millrace::hide_and_seek
