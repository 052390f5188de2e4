#include "report/picture/frame.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_split.h"

namespace millrace {
namespace {

constexpr double kTextPerSide = 48;  // letters are so many times lower than the longer side
constexpr int kLowestText = 11;      // and never lower than this, to be read
constexpr double kLineHeight = 1.4, kMargin = 0.5;  // in letters
constexpr double kLetterWidth = 0.56;               // on average, in letters' heights

int Even(double pixels) { return std::max(2, 2 * static_cast<int>(std::lround(pixels / 2))); }

bool IsFinite(const shapes::Point& point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

struct FiniteShape {
  bool operator()(const shapes::Polygon& polygon) const {
    return std::ranges::all_of(polygon.corners, IsFinite) &&
           std::isfinite(polygon.paint.stroke_width);
  }
  bool operator()(const shapes::Circle& circle) const {
    return IsFinite(circle.centre) && std::isfinite(circle.radius) &&
           std::isfinite(circle.paint.stroke_width);
  }
  bool operator()(const shapes::Line& line) const {
    return IsFinite(line.from) && IsFinite(line.to) && std::isfinite(line.width);
  }
  bool operator()(const shapes::Label& label) const {
    return IsFinite(label.at) && std::isfinite(label.height);
  }
};

}  // namespace

FrameSize ChooseFrameSize(const Drawing& first, int longer_side) {
  return ChooseFrameSize(first.high.x - first.low.x, first.high.y - first.low.y, first.caption,
                         longer_side);
}

FrameSize ChooseFrameSize(double width, double height, const std::string& caption,
                          int longer_side) {
  const double scale = longer_side / std::max(width, height);
  FrameSize frame;
  frame.width = Even(scale * width);
  frame.world_height = Even(scale * height);
  frame.text_size = std::max(kLowestText, static_cast<int>(longer_side / kTextPerSide));
  frame.height = frame.world_height;
  const auto lines = static_cast<double>(CaptionLines(caption).size());
  if (lines > 0) frame.height += Even((kLineHeight * lines + kMargin) * frame.text_size);
  return frame;
}

std::vector<std::string> CaptionLines(const std::string& caption) {
  if (caption.empty()) return {};
  return absl::StrSplit(caption, '\n');
}

double CaptionTextSize(const std::string& line, const FrameSize& frame) {
  const double letters = static_cast<double>(line.size()) + 2 * kMargin;
  return std::min<double>(frame.text_size, frame.width / (kLetterWidth * letters));
}

double CaptionBaseline(size_t line, const FrameSize& frame) {
  return frame.world_height + kLineHeight * frame.text_size * (static_cast<double>(line) + 1);
}

View::View(const Drawing& drawing, const FrameSize& frame) {
  const double width = drawing.high.x - drawing.low.x, height = drawing.high.y - drawing.low.y;
  scale_ = std::min(frame.width / width, frame.world_height / height);
  x_ = (frame.width - scale_ * width) / 2 - scale_ * drawing.low.x;
  y_ = (frame.world_height + scale_ * height) / 2 + scale_ * drawing.low.y;
}

shapes::Point View::operator()(const shapes::Point& point) const {
  return {x_ + scale_ * point.x, y_ - scale_ * point.y};
}

absl::Status CheckDrawing(const Drawing& drawing) {
  const bool finite = IsFinite(drawing.low) && IsFinite(drawing.high) &&
                      std::ranges::all_of(drawing.shapes, [](const shapes::Shape& shape) {
                        return std::visit(FiniteShape(), shape);
                      });
  if (!finite) {
    return absl::InvalidArgumentError(
        "the environment's drawing: expected finite numbers, got NaN or infinity");
  }
  if (drawing.low.x < drawing.high.x && drawing.low.y < drawing.high.y) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the environment's drawing: expected low to be less than high in x and in y");
}

}  // namespace millrace
