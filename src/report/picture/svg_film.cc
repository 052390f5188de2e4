#include "report/picture/svg_film.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "millrace/core/status.h"
#include "report/picture/frame.h"
#include "report/replace_file.h"

namespace millrace {
namespace {

using shapes::Color, shapes::Line, shapes::Point, shapes::Shape;

// Tenths of a pixel; "12" rather than "12.0".
std::string Number(double value) { return absl::StrCat(std::round(10 * value) / 10 + 0.0); }
std::string Pair(const Point& point) { return Number(point.x) + " " + Number(point.y); }

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(text,
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

// `what`: fill or stroke.
std::string ColorOf(const char* what, const Color& color) {
  if (color.opacity <= 0) return absl::StrCat(" ", what, "=\"none\"");
  const auto byte = [](double part) {
    return static_cast<int>(std::lround(255 * std::clamp(part, 0.0, 1.0)));
  };
  std::string text = absl::StrFormat(" %s=\"#%02x%02x%02x\"", what, byte(color.red),
                                     byte(color.green), byte(color.blue));
  if (color.opacity < 1) absl::StrAppendFormat(&text, " %s-opacity=\"%.3g\"", what, color.opacity);
  return text;
}

// Appends elements to a text.
class SvgWriter {
 public:
  SvgWriter(std::string& text, const View& view) : text_(text), view_(view) {}

  // Lines in a row that look alike become one element.
  void Write(std::span<const Shape> shapes) {
    const Line* before = nullptr;
    for (const Shape& shape : shapes) {
      const Line* line = std::get_if<Line>(&shape);
      const bool goes_on = line != nullptr && before != nullptr && line->color == before->color &&
                           line->width == before->width;
      if (before != nullptr && !goes_on) EndLines(*before);
      before = line;
      if (line == nullptr) {
        std::visit([this](const auto& one) { Add(one); }, shape);
        continue;
      }
      absl::StrAppend(&text_, goes_on ? "" : "<path d=\"", "M", Pair(view_(line->from)), "L",
                      Pair(view_(line->to)));
    }
    if (before != nullptr) EndLines(*before);
  }

 private:
  void EndLines(const Line& line) {
    absl::StrAppend(&text_, "\"", ColorOf("stroke", line.color), " stroke-width=\"",
                    absl::StrFormat("%.3g", view_.Length(line.width)), "\"/>\n");
  }
  void Add(const Line&) {}
  void Add(const shapes::Polygon& polygon) {
    absl::StrAppend(&text_, "<polygon points=\"");
    for (const Point& corner : polygon.corners) absl::StrAppend(&text_, Pair(view_(corner)), " ");
    if (text_.back() == ' ') text_.pop_back();
    absl::StrAppend(&text_, "\"", Painted(polygon.paint), "/>\n");
  }
  void Add(const shapes::Circle& circle) {
    const Point at = view_(circle.centre);
    absl::StrAppend(&text_, "<circle cx=\"", Number(at.x), "\" cy=\"", Number(at.y), "\" r=\"",
                    Number(view_.Length(circle.radius)), "\"", Painted(circle.paint), "/>\n");
  }
  void Add(const shapes::Label& label) {
    const Point at = view_(label.at);
    const double size = view_.Length(label.height);
    constexpr double kHalfCapital = 0.36;  // of the letters' height
    absl::StrAppend(&text_, "<text x=\"", Number(at.x), "\" y=\"",
                    Number(at.y + kHalfCapital * size), "\" font-size=\"", Number(size),
                    "\" text-anchor=\"middle\"", ColorOf("fill", label.color), ">",
                    Escaped(label.text), "</text>\n");
  }
  std::string Painted(const shapes::Paint& paint) const {
    std::string text = ColorOf("fill", paint.fill);
    if (paint.stroke_width <= 0 || paint.stroke.opacity <= 0) return text;
    absl::StrAppend(&text, ColorOf("stroke", paint.stroke), " stroke-width=\"",
                    absl::StrFormat("%.3g", view_.Length(paint.stroke_width)), "\"");
    return text;
  }

  std::string& text_;
  const View view_;
};

// How many shapes all drawings begin with, seen from the same place.
size_t CommonShapes(const std::vector<Drawing>& drawings, const FrameSize& frame) {
  const Drawing& first = drawings.front();
  size_t common = first.shapes.size();
  for (const Drawing& drawing : drawings) {
    const bool same =
        View(drawing, frame) == View(first, frame) && drawing.background == first.background;
    if (!same) return 0;
    const auto end = std::ranges::mismatch(first.shapes, drawing.shapes).in1;
    common = std::min(common, static_cast<size_t>(end - first.shapes.begin()));
  }
  return common;
}

void AppendHead(std::string& svg, const FrameSize& frame, size_t frames, double frames_per_second) {
  absl::StrAppendFormat(&svg,
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                        "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\">\n",
                        frame.width, frame.height, frame.width, frame.height);
  if (frames > 1) {
    const double count = static_cast<double>(frames);
    absl::StrAppendFormat(&svg,
                          "<style>.frame{visibility:hidden;animation:turn %.6gs step-end infinite}"
                          "@keyframes turn{0%%{visibility:visible}%.6g%%{visibility:hidden}}"
                          "</style>\n",
                          count / frames_per_second, 100 / count);
  }
  absl::StrAppendFormat(&svg,
                        "<clipPath id=\"world\"><rect width=\"%d\" height=\"%d\"/></clipPath>\n"
                        "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
                        frame.width, frame.world_height, frame.width, frame.height);
}

void AppendBackground(std::string& svg, const Color& color, const FrameSize& frame) {
  absl::StrAppendFormat(&svg, "<rect width=\"%d\" height=\"%d\"%s/>\n", frame.width,
                        frame.world_height, ColorOf("fill", color));
}

void AppendCaption(std::string& svg, const Drawing& drawing, const FrameSize& frame) {
  const std::vector<std::string> lines = CaptionLines(drawing.caption);
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&svg, "<text x=\"", Number(frame.text_size / 2.0), "\" y=\"",
                    Number(CaptionBaseline(i, frame)), "\" font-size=\"",
                    Number(CaptionTextSize(lines[i], frame)), "\">", Escaped(lines[i]),
                    "</text>\n");
  }
}

}  // namespace

std::string RenderSvgFilm(const std::vector<Drawing>& drawings, const FilmOptions& options) {
  const FrameSize frame = ChooseFrameSize(drawings.front(), options.size);
  const size_t common = CommonShapes(drawings, frame);
  std::string svg;
  AppendHead(svg, frame, drawings.size(), options.frames_per_second);
  if (common > 0) {
    svg += "<g clip-path=\"url(#world)\">\n";
    AppendBackground(svg, drawings.front().background, frame);
    SvgWriter(svg, View(drawings.front(), frame))
        .Write(std::span(drawings.front().shapes).first(common));
    svg += "</g>\n";
  }
  for (size_t i = 0; i < drawings.size(); ++i) {
    const Drawing& drawing = drawings[i];
    absl::StrAppendFormat(&svg, "<g class=\"frame\" style=\"%sanimation-delay:%.6gs\">\n",
                          i == 0 ? "visibility:visible;" : "",
                          static_cast<double>(i) / options.frames_per_second);
    svg += "<g clip-path=\"url(#world)\">\n";
    if (common == 0) AppendBackground(svg, drawing.background, frame);
    SvgWriter(svg, View(drawing, frame)).Write(std::span(drawing.shapes).subspan(common));
    svg += "</g>\n";
    AppendCaption(svg, drawing, frame);
    svg += "</g>\n";
  }
  return svg + "</svg>\n";
}

absl::Status SvgFilm::Add(const Drawing& drawing) {
  MILLRACE_RETURN_IF_ERROR(CheckDrawing(drawing));
  drawings_.push_back(drawing);
  return absl::OkStatus();
}

absl::Status SvgFilm::Add(const Image&, const std::string&) {
  return absl::InvalidArgumentError(
      "a film of pixels: expected a file name that ends in .gif or .mp4, got one that ends in "
      ".svg");
}

absl::Status SvgFilm::Finish() {
  if (drawings_.empty()) return absl::FailedPreconditionError("a film needs at least one drawing");
  return ReplaceFile(file_, RenderSvgFilm(drawings_, options_));
}

}  // namespace millrace
