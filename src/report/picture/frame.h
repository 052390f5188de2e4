// Where a drawing lies on a picture of so many pixels.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "millrace/data/drawing.h"

namespace millrace {

// In pixels; the same for all frames of a film. Width and height are even, as video codecs demand.
struct FrameSize {
  int width = 0, height = 0;
  int world_height = 0;  // the world's part, at the top; the caption is below
  int text_size = 0;     // of the caption's letters
};

// For films that begin with `first`: `longer_side` is that of the world's part, at least 2. The
// caption has room for as many lines as it has there.
FrameSize ChooseFrameSize(const Drawing& first, int longer_side);
// For a world's part of `width` x `height`, in any unit.
FrameSize ChooseFrameSize(double width, double height, const std::string& caption, int longer_side);

std::vector<std::string> CaptionLines(const std::string& caption);
// Of a line: text_size, or less for one that would be too long.
double CaptionTextSize(const std::string& line, const FrameSize& frame);
// Of the line's foot, from the top.
double CaptionBaseline(size_t line, const FrameSize& frame);

// World to pixels, whose y points down: the whole drawing, as large as possible, in the middle of
// the world's part. Value type.
class View {
 public:
  View(const Drawing& drawing, const FrameSize& frame);

  shapes::Point operator()(const shapes::Point& point) const;
  double Length(double world_units) const { return scale_ * world_units; }
  bool operator==(const View&) const = default;

 private:
  double scale_, x_, y_;  // pixels of the world's origin
};

// kInvalidArgument if a number is not finite, or if there is nothing between low and high.
absl::Status CheckDrawing(const Drawing& drawing);

}  // namespace millrace
