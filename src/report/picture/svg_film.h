// Films as one SVG file whose frames show one after another, over and over.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/picture/film.h"

namespace millrace {

// Every frame is a group that a style sheet shows while it is its turn; what all frames begin with
// is written once. Programs that know no animations show the first frame.
class SvgFilm final : public Film {
 public:
  SvgFilm(std::filesystem::path file, const FilmOptions& options)
      : file_(std::move(file)), options_(options) {}

  absl::Status Add(const Drawing& drawing) override;
  absl::Status Add(const Image& image, const std::string& caption) override;
  absl::Status Finish() override;

 private:
  const std::filesystem::path file_;
  const FilmOptions options_;
  std::vector<Drawing> drawings_;
};

// `drawings`: at least one.
std::string RenderSvgFilm(const std::vector<Drawing>& drawings, const FilmOptions& options);

}  // namespace millrace
