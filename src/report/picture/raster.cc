#include "report/picture/raster.h"

#include <cairo.h>

#include <algorithm>
#include <bit>
#include <numbers>
#include <string>

namespace millrace {
namespace {

using shapes::Color, shapes::Point;

// Pixels are words of 32 bits.
static_assert(std::endian::native == std::endian::little);

struct Destroy {
  void operator()(cairo_t* context) const { cairo_destroy(context); }
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};

class Painter {
 public:
  Painter(cairo_t* context, const View& view) : context_(context), view_(view) {}

  void operator()(const shapes::Polygon& polygon) const {
    cairo_new_path(context_);
    for (const Point& corner : polygon.corners) {
      const Point at = view_(corner);
      cairo_line_to(context_, at.x, at.y);
    }
    cairo_close_path(context_);
    Paint(polygon.paint);
  }
  void operator()(const shapes::Circle& circle) const {
    const Point at = view_(circle.centre);
    cairo_new_path(context_);  // a text before has left a point
    cairo_arc(context_, at.x, at.y, view_.Length(circle.radius), 0, 2 * std::numbers::pi);
    Paint(circle.paint);
  }
  void operator()(const shapes::Line& line) const {
    const Point from = view_(line.from), to = view_(line.to);
    cairo_move_to(context_, from.x, from.y);
    cairo_line_to(context_, to.x, to.y);
    Stroke(line.color, line.width);
  }
  void operator()(const shapes::Label& label) const {
    const Point at = view_(label.at);
    cairo_set_font_size(context_, view_.Length(label.height));
    cairo_text_extents_t extents;
    cairo_text_extents(context_, label.text.c_str(), &extents);
    Use(label.color);
    cairo_move_to(context_, at.x - extents.x_bearing - extents.width / 2,
                  at.y - extents.y_bearing - extents.height / 2);
    cairo_show_text(context_, label.text.c_str());
  }

  void Use(const Color& color) const {
    cairo_set_source_rgba(context_, color.red, color.green, color.blue, color.opacity);
  }

 private:
  void Paint(const shapes::Paint& paint) const {
    Use(paint.fill);
    cairo_fill_preserve(context_);
    Stroke(paint.stroke, paint.stroke_width);
  }
  void Stroke(const Color& color, double width) const {
    Use(color);
    cairo_set_line_width(context_, view_.Length(width));
    if (width > 0) cairo_stroke(context_);
    cairo_new_path(context_);
  }

  cairo_t* const context_;
  const View view_;
};

void DrawCaption(cairo_t* context, const std::string& caption, const FrameSize& frame) {
  const std::vector<std::string> lines = CaptionLines(caption);
  cairo_set_source_rgb(context, 0, 0, 0);
  for (size_t i = 0; i < lines.size(); ++i) {
    cairo_set_font_size(context, CaptionTextSize(lines[i], frame));
    cairo_move_to(context, frame.text_size / 2.0, CaptionBaseline(i, frame));
    cairo_show_text(context, lines[i].c_str());
  }
}

}  // namespace

struct Raster::Surface {
  std::unique_ptr<cairo_surface_t, Destroy> image;

  // A white sheet.
  std::unique_ptr<cairo_t, Destroy> Begin() const {
    std::unique_ptr<cairo_t, Destroy> context(cairo_create(image.get()));
    cairo_select_font_face(context.get(), "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_source_rgb(context.get(), 1, 1, 1);
    cairo_paint(context.get());
    return context;
  }
};

Raster::Raster(const FrameSize& frame)
    : frame_(frame),
      surface_(std::make_unique<Surface>(Surface{decltype(Surface::image)(
          cairo_image_surface_create(CAIRO_FORMAT_RGB24, frame.width, frame.height))})) {}

Raster::~Raster() = default;

void Raster::Draw(const Drawing& drawing) {
  const auto owner = surface_->Begin();
  cairo_t* const context = owner.get();
  const Painter painter(context, View(drawing, frame_));
  cairo_save(context);
  cairo_rectangle(context, 0, 0, frame_.width, frame_.world_height);
  cairo_clip(context);
  painter.Use(drawing.background);
  cairo_paint(context);
  for (const shapes::Shape& shape : drawing.shapes) std::visit(painter, shape);
  cairo_restore(context);
  DrawCaption(context, drawing.caption, frame_);
  cairo_surface_flush(surface_->image.get());
}

void Raster::Draw(const Image& image, const std::string& caption) {
  const auto context = surface_->Begin();
  DrawCaption(context.get(), caption, frame_);
  cairo_surface_t* const surface = surface_->image.get();
  cairo_surface_flush(surface);
  const auto stride = static_cast<size_t>(cairo_image_surface_get_stride(surface));
  const auto width = static_cast<size_t>(std::min(image.width, frame_.width));
  const auto height = static_cast<size_t>(std::min(image.height, frame_.world_height));
  for (size_t y = 0; y < height; ++y) {
    unsigned char* to = cairo_image_surface_get_data(surface) + y * stride;
    const uint8_t* from = image.rgb.data() + 3 * y * static_cast<size_t>(image.width);
    for (size_t x = 0; x < width; ++x, to += 4, from += 3) {
      to[0] = from[2];
      to[1] = from[1];
      to[2] = from[0];
    }
  }
  cairo_surface_mark_dirty(surface);
}

std::span<const std::byte> Raster::pixels() const {
  cairo_surface_t* const image = surface_->image.get();
  return {reinterpret_cast<const std::byte*>(cairo_image_surface_get_data(image)),
          static_cast<size_t>(cairo_image_surface_get_stride(image)) *
              static_cast<size_t>(cairo_image_surface_get_height(image))};
}

}  // namespace millrace
