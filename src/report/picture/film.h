// An episode as a file: drawings or images, one after another.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/data/drawing.h"
#include "millrace/data/image.h"

namespace millrace {

struct FilmOptions {
  double frames_per_second = 15;
  int size = 640;  // pixels of the longer side of the world's part
};

// Thread-compatible. One that is destroyed without Finish leaves no file.
class Film {
 public:
  virtual ~Film() = default;
  // kInvalidArgument as CheckDrawing, kResourceExhausted if ffmpeg is needed and not there, or if
  // the file cannot be written.
  virtual absl::Status Add(const Drawing& drawing) = 0;
  // Pixels instead, all of the size of the first. kInvalidArgument if the file is an .svg.
  virtual absl::Status Add(const Image& image, const std::string& caption) = 0;
  // After the last; the file then is there. kFailedPrecondition if there was none.
  virtual absl::Status Finish() = 0;
};

// By the name's ending: .svg (animated, needs nothing but itself), .gif or .mp4 (made by the
// program ffmpeg). kInvalidArgument for any other, and for options that are not positive.
absl::StatusOr<std::unique_ptr<Film>> OpenFilm(const std::filesystem::path& file,
                                               const FilmOptions& options);

}  // namespace millrace
