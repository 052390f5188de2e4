// Line charts as SVG and PNG, drawn with cairo.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace millrace {

struct Series {
  std::string name;
  std::vector<double> x, y;  // of equal length; points that are not finite are left out
};

// Value type.
struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  std::optional<double> goal;  // a dashed line at this height
  struct Mark {
    double x;
    std::string name;
  };
  std::vector<Mark> marks = {};  // dashed lines from top to bottom
};

// Self-contained, with text as outlines: it looks the same everywhere.
std::string RenderSvg(const Chart& chart);
// kResourceExhausted if the file cannot be written.
absl::Status WritePng(const Chart& chart, const std::filesystem::path& file);

// Round numbers that cover [low, high], at most `most` of them, and the distance between them.
std::vector<double> Ticks(double low, double high, int most);
// 1500000 -> "1.5M", 0.25 -> "0.25".
std::string TickLabel(double value);

}  // namespace millrace
