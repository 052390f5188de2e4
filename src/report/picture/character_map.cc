#include "report/picture/character_map.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "millrace/core/status.h"
#include "report/picture/frame.h"

namespace millrace {
namespace {

using shapes::Point;

// Even-odd rule.
bool Contains(const std::vector<Point>& corners, const Point& point) {
  bool inside = false;
  for (size_t i = 0, j = corners.size() - 1; i < corners.size(); j = i++) {
    const Point &a = corners[i], &b = corners[j];
    if ((a.y > point.y) == (b.y > point.y)) continue;
    if (point.x < a.x + (point.y - a.y) / (b.y - a.y) * (b.x - a.x)) inside = !inside;
  }
  return inside;
}

class Map {
 public:
  explicit Map(const Drawing& drawing)
      : low_(drawing.low),
        rows_(drawing.map_rows),
        cell_((drawing.high.y - drawing.low.y) / drawing.map_rows),
        columns_(std::max(1, static_cast<int>((drawing.high.x - drawing.low.x) / cell_ + 0.5))),
        cells_(static_cast<size_t>(rows_) * static_cast<size_t>(columns_), "  ") {}

  void Add(const shapes::Polygon& polygon) {
    if (polygon.mark.empty() || polygon.corners.empty()) return;
    const auto [left, right] = std::ranges::minmax(polygon.corners, {}, &Point::x);
    const auto [bottom, top] = std::ranges::minmax(polygon.corners, {}, &Point::y);
    for (int row = Row(bottom.y); row <= Row(top.y); ++row) {
      for (int column = Column(left.x); column <= Column(right.x); ++column) {
        if (Covers(polygon, row, column)) Mark(row, column, polygon.mark);
      }
    }
  }
  void Add(const shapes::Circle& circle) {
    if (!circle.mark.empty()) Mark(Row(circle.centre.y), Column(circle.centre.x), circle.mark);
  }
  void Add(const shapes::Line&) {}
  void Add(const shapes::Label&) {}

  std::string Text() const {
    std::string text;
    for (int row = rows_ - 1; row >= 0; --row) {
      std::string line;
      for (int column = 0; column < columns_; ++column) line += cells_[Index(row, column)];
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + '\n';
    }
    return text;
  }

 private:
  // Any of nine points that lie so close that no shape of a third of a cell gets lost.
  bool Covers(const shapes::Polygon& polygon, int row, int column) const {
    for (const double up : {0.5, 0.17, 0.83}) {
      for (const double right : {0.5, 0.17, 0.83}) {
        if (Contains(polygon.corners,
                     {low_.x + (column + right) * cell_, low_.y + (row + up) * cell_})) {
          return true;
        }
      }
    }
    return false;
  }
  // -1 or one too many: outside.
  int Row(double y) const {
    return static_cast<int>(std::clamp(std::floor((y - low_.y) / cell_), -1.0, 1.0 * rows_));
  }
  int Column(double x) const {
    return static_cast<int>(std::clamp(std::floor((x - low_.x) / cell_), -1.0, 1.0 * columns_));
  }
  size_t Index(int row, int column) const {
    return static_cast<size_t>(row) * static_cast<size_t>(columns_) + static_cast<size_t>(column);
  }
  void Mark(int row, int column, const std::string& mark) {
    if (row < 0 || row >= rows_ || column < 0 || column >= columns_) return;
    cells_[Index(row, column)] = (mark + "  ").substr(0, 2);
  }

  const Point low_;
  const int rows_;
  const double cell_;
  const int columns_;
  std::vector<std::string> cells_;  // [rows, columns], from the lowest y
};

}  // namespace

absl::StatusOr<std::string> CharacterMap(const Drawing& drawing) {
  MILLRACE_RETURN_IF_ERROR(CheckDrawing(drawing));
  if (drawing.map_rows < 1) return std::string();
  Map map(drawing);
  for (const shapes::Shape& shape : drawing.shapes) {
    std::visit([&map](const auto& one) { map.Add(one); }, shape);
  }
  return map.Text();
}

}  // namespace millrace
