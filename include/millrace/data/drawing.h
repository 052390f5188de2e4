// One moment of a world as shapes on a plane: what an environment hands over to be looked at
// (Environment::Draw). Pure data; `millrace play` makes pictures, films and maps of characters of
// it.
#pragma once

#include <string>
#include <variant>
#include <vector>

namespace millrace {
namespace shapes {

// In the units of the world; y points up.
struct Point {
  double x = 0, y = 0;
  bool operator==(const Point&) const = default;
};

// Each from 0 to 1. Opacity 0: nothing is drawn.
struct Color {
  double red = 0, green = 0, blue = 0, opacity = 1;
  bool operator==(const Color&) const = default;
};
inline constexpr Color kTransparent = {0, 0, 0, 0};

// The inside of a shape, and the line along its border.
struct Paint {
  Color fill = kTransparent, stroke = kTransparent;
  double stroke_width = 0;  // world units
  bool operator==(const Paint&) const = default;
};

// `mark` stands for a shape on the map of characters: two of them, such as "[]", in each cell that
// a polygon covers, and in the one cell of a circle's centre. Empty: the map does not show it.
struct Polygon {
  std::vector<Point> corners;  // the last is joined to the first
  Paint paint = {};
  std::string mark = {};
  bool operator==(const Polygon&) const = default;
};
struct Circle {
  Point centre = {};
  double radius = 0;
  Paint paint = {};
  std::string mark = {};
  bool operator==(const Circle&) const = default;
};
struct Line {
  Point from = {}, to = {};
  Color color = {};
  double width = 0;  // world units
  bool operator==(const Line&) const = default;
};
// A few letters with their middle at `at`.
struct Label {
  Point at = {};
  std::string text = {};
  double height = 0;  // of a line of text, in world units
  Color color = {};
  bool operator==(const Label&) const = default;
};

using Shape = std::variant<Polygon, Circle, Line, Label>;

}  // namespace shapes

// Value type. All numbers are finite.
struct Drawing {
  // Corners of the part of the world to be seen: low is less than high in x and y. What lies beyond
  // the picture's border is cut off. They may change from moment to moment; the picture's size does
  // not.
  shapes::Point low = {}, high = {1, 1};
  shapes::Color background = {1, 1, 1};
  std::vector<shapes::Shape> shapes = {};  // later ones cover earlier ones
  std::string caption = {};                // a line about this moment
  // Of the map of characters that `millrace play` shows in a terminal; 0: there is no map.
  int map_rows = 0;
};

// The corners of a rectangle.
inline std::vector<shapes::Point> RectangleCorners(shapes::Point low, shapes::Point high) {
  return {low, {high.x, low.y}, high, {low.x, high.y}};
}

}  // namespace millrace
