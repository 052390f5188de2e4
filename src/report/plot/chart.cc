#include "report/plot/chart.h"

#include <cairo-svg.h>
#include <cairo.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace millrace {
namespace {

constexpr double kWidth = 640, kHeight = 400;
constexpr double kLeft = 70, kRight = 30, kTop = 40, kBottom = 55;
constexpr double kTextSize = 12, kTitleSize = 15, kTickLength = 5;
constexpr int kMostTicks = 8;

struct Color {
  double red, green, blue;
};
// Told apart by people who see colours differently (Okabe and Ito 2008).
constexpr std::array<Color, 6> kColors = {{{0.00, 0.45, 0.70},
                                           {0.84, 0.37, 0.00},
                                           {0.00, 0.62, 0.45},
                                           {0.80, 0.47, 0.65},
                                           {0.90, 0.62, 0.00},
                                           {0.34, 0.71, 0.91}}};

struct Range {
  double low = 0, high = 1;
};

struct Destroy {
  void operator()(cairo_t* context) const { cairo_destroy(context); }
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
using Surface = std::unique_ptr<cairo_surface_t, Destroy>;

bool IsDrawn(const Series& series, size_t i) {
  return std::isfinite(series.x[i]) && std::isfinite(series.y[i]);
}

template <typename Select>
Range RangeOf(const Chart& chart, Select select) {
  bool any = false;
  Range range;
  for (const Series& series : chart.series) {
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!IsDrawn(series, i)) continue;
      const double value = select(series, i);
      range = any ? Range{std::min(range.low, value), std::max(range.high, value)}
                  : Range{value, value};
      any = true;
    }
  }
  return range;
}

// A little air above and below, and never no height.
Range Widened(Range range) {
  const double room = range.high > range.low ? 0.04 * (range.high - range.low)
                                             : std::max(1e-3, 0.1 * std::abs(range.high));
  return {range.low - room, range.high + room};
}

class Drawing {
 public:
  Drawing(cairo_surface_t* surface, const Chart& chart)
      : context_(cairo_create(surface)), chart_(chart) {
    x_ = RangeOf(chart, [](const Series& series, size_t i) { return series.x[i]; });
    if (x_.high <= x_.low) x_.high = x_.low + 1;
    y_ = RangeOf(chart, [](const Series& series, size_t i) { return series.y[i]; });
    if (chart.goal) {
      y_ = {std::min(y_.low, *chart.goal), std::max(y_.high, *chart.goal)};
    }
    y_ = Widened(y_);
  }

  void Draw() {
    cairo_t* const c = context_.get();
    cairo_set_source_rgb(c, 1, 1, 1);
    cairo_paint(c);
    cairo_select_font_face(c, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    DrawAxes();
    if (chart_.goal) DrawGoal(*chart_.goal);
    for (const Chart::Mark& mark : chart_.marks) DrawMark(mark);
    for (size_t i = 0; i < chart_.series.size(); ++i) {
      DrawSeries(chart_.series[i], kColors[i % kColors.size()]);
    }
    if (chart_.series.size() > 1) DrawLegend();
  }

 private:
  double X(double value) const {
    return kLeft + (value - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight);
  }
  double Y(double value) const {
    return kHeight - kBottom - (value - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom);
  }

  void Line(double x1, double y1, double x2, double y2) {
    cairo_move_to(context_.get(), x1, y1);
    cairo_line_to(context_.get(), x2, y2);
    cairo_stroke(context_.get());
  }

  // `anchor` in [0, 1]: which part of the text lies at x.
  void Text(double x, double y, const std::string& text, double anchor, double size = kTextSize) {
    cairo_t* const c = context_.get();
    cairo_set_font_size(c, size);
    cairo_text_extents_t extents;
    cairo_text_extents(c, text.c_str(), &extents);
    cairo_move_to(c, x - anchor * extents.width - extents.x_bearing, y);
    cairo_show_text(c, text.c_str());
  }

  void DrawAxes() {
    cairo_t* const c = context_.get();
    cairo_set_line_width(c, 1);
    for (const double tick : Ticks(y_.low, y_.high, kMostTicks)) {
      cairo_set_source_rgb(c, 0.9, 0.9, 0.9);
      Line(kLeft, Y(tick), kWidth - kRight, Y(tick));
      cairo_set_source_rgb(c, 0.2, 0.2, 0.2);
      Text(kLeft - 2 * kTickLength, Y(tick) + kTextSize / 3, TickLabel(tick), 1);
    }
    cairo_set_source_rgb(c, 0.2, 0.2, 0.2);
    const double bottom = kHeight - kBottom;
    for (const double tick : Ticks(x_.low, x_.high, kMostTicks)) {
      Line(X(tick), bottom, X(tick), bottom + kTickLength);
      Text(X(tick), bottom + kTickLength + 1.2 * kTextSize, TickLabel(tick), 0.5);
    }
    Line(kLeft, bottom, kWidth - kRight, bottom);
    Line(kLeft, kTop, kLeft, bottom);
    Text(kWidth / 2, kTitleSize * 1.6, chart_.title, 0.5, kTitleSize);
    Text(kWidth / 2, kHeight - kTextSize, chart_.x_label, 0.5);
    cairo_save(c);
    cairo_translate(c, 1.3 * kTextSize, kHeight / 2);
    cairo_rotate(c, -std::acos(0.0));
    Text(0, 0, chart_.y_label, 0.5);
    cairo_restore(c);
  }

  void DashedLine(double x1, double y1, double x2, double y2) {
    cairo_t* const c = context_.get();
    const std::array<double, 2> dashes = {6, 4};
    cairo_set_source_rgb(c, 0.5, 0.5, 0.5);
    cairo_set_dash(c, dashes.data(), static_cast<int>(dashes.size()), 0);
    Line(x1, y1, x2, y2);
    cairo_set_dash(c, nullptr, 0, 0);
  }

  void DrawGoal(double goal) {
    DashedLine(kLeft, Y(goal), kWidth - kRight, Y(goal));
    Text(kWidth - kRight, Y(goal) - 4, "goal " + TickLabel(goal), 1);
  }

  void DrawMark(const Chart::Mark& mark) {
    if (mark.x < x_.low || mark.x > x_.high) return;
    DashedLine(X(mark.x), kTop, X(mark.x), kHeight - kBottom);
    const bool left = X(mark.x) > kWidth / 2;  // of the line, where there is room
    Text(X(mark.x) + (left ? -4 : 4), kTop + kTextSize, mark.name, left ? 1 : 0);
  }

  void DrawSeries(const Series& series, const Color& color) {
    cairo_t* const c = context_.get();
    cairo_set_source_rgb(c, color.red, color.green, color.blue);
    cairo_set_line_width(c, 1.6);
    cairo_new_path(c);
    bool pen_down = false;
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!IsDrawn(series, i)) continue;
      pen_down ? cairo_line_to(c, X(series.x[i]), Y(series.y[i]))
               : cairo_move_to(c, X(series.x[i]), Y(series.y[i]));
      pen_down = true;
    }
    cairo_stroke(c);
  }

  void DrawLegend() {
    for (size_t i = 0; i < chart_.series.size(); ++i) {
      const Color& color = kColors[i % kColors.size()];
      const double y = kTop + kTextSize * (1.0 + 1.4 * static_cast<double>(i));
      cairo_set_source_rgb(context_.get(), color.red, color.green, color.blue);
      Line(kLeft + 12, y - kTextSize / 3, kLeft + 32, y - kTextSize / 3);
      cairo_set_source_rgb(context_.get(), 0.2, 0.2, 0.2);
      Text(kLeft + 38, y, chart_.series[i].name, 0);
    }
  }

  const std::unique_ptr<cairo_t, Destroy> context_;
  const Chart& chart_;
  Range x_, y_;
};

cairo_status_t AppendTo(void* text, const unsigned char* data, unsigned length) {
  static_cast<std::string*>(text)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

}  // namespace

std::vector<double> Ticks(double low, double high, int most) {
  if (!(high > low) || most < 1) return {low};
  const double rough = (high - low) / most;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough) step = factor * power;
  }
  std::vector<double> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) {
    ticks.push_back(k * step);
  }
  return ticks;
}

std::string TickLabel(double value) {
  const double size = std::abs(value);
  if (size >= 1e9) return absl::StrFormat("%.3gG", value / 1e9);
  if (size >= 1e6) return absl::StrFormat("%.3gM", value / 1e6);
  if (size >= 1e4) return absl::StrFormat("%.3gk", value / 1e3);
  return absl::StrFormat("%.4g", value + 0.0);
}

std::string RenderSvg(const Chart& chart) {
  std::string svg;
  {
    const Surface surface(cairo_svg_surface_create_for_stream(AppendTo, &svg, kWidth, kHeight));
    Drawing(surface.get(), chart).Draw();
    cairo_surface_finish(surface.get());
  }
  return svg;
}

absl::Status WritePng(const Chart& chart, const std::filesystem::path& file) {
  constexpr double kScale = 2;  // sharp on dense screens
  const Surface surface(cairo_image_surface_create(
      CAIRO_FORMAT_RGB24, static_cast<int>(kScale * kWidth), static_cast<int>(kScale * kHeight)));
  cairo_surface_set_device_scale(surface.get(), kScale, kScale);
  Drawing(surface.get(), chart).Draw();
  const cairo_status_t status = cairo_surface_write_to_png(surface.get(), file.c_str());
  if (status == CAIRO_STATUS_SUCCESS) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot write ", file.string(), ": ", cairo_status_to_string(status)));
}

}  // namespace millrace
