// Drawings as pixels, drawn with cairo.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "millrace/data/drawing.h"
#include "millrace/data/image.h"
#include "report/picture/frame.h"

namespace millrace {

// One picture that is drawn anew for every drawing. Thread-compatible.
class Raster {
 public:
  explicit Raster(const FrameSize& frame);
  ~Raster();
  Raster(const Raster&) = delete;
  Raster& operator=(const Raster&) = delete;

  void Draw(const Drawing& drawing);
  // In the world's part, from the upper left; what does not fit is cut off.
  void Draw(const Image& image, const std::string& caption);
  // [height, width, 4]: blue, green, red and a byte that says nothing; from the top.
  std::span<const std::byte> pixels() const;

 private:
  struct Surface;
  const FrameSize frame_;
  const std::unique_ptr<Surface> surface_;
};

}  // namespace millrace
