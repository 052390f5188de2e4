// Videos, made by the program ffmpeg as a child process.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

enum class VideoFormat { kGif, kMp4 };

// The program takes frames through a socket and writes beside `file`, whose place is taken at the
// end: readers see all of it or nothing. Thread-compatible.
class VideoEncoder {
 public:
  struct Options {
    int width = 0, height = 0;  // even
    double frames_per_second = 15;
  };
  // kResourceExhausted if ffmpeg is not there or cannot be started.
  static absl::StatusOr<std::unique_ptr<VideoEncoder>> Start(const std::filesystem::path& file,
                                                             VideoFormat format,
                                                             const Options& options);
  // Ends the program if it still runs, and removes what is unfinished.
  ~VideoEncoder();
  VideoEncoder(const VideoEncoder&) = delete;
  VideoEncoder& operator=(const VideoEncoder&) = delete;

  // One frame, [height, width, 4]: blue, green, red, nothing. kResourceExhausted with what ffmpeg
  // said if it gave up.
  absl::Status Write(std::span<const std::byte> pixels);
  // Waits for the end. Errors as Write.
  absl::Status Finish();

 private:
  explicit VideoEncoder(std::filesystem::path file);
  absl::Status Spawn(VideoFormat format, const Options& options);
  // Waits for the program; OK if it says that all went well.
  absl::Status Wait();
  std::string Said() const;

  const std::filesystem::path file_, temporary_;
  int frames_ = -1;  // our end of its standard input
  int said_ = -1;    // a nameless file: its standard error
  pid_t process_ = -1;
};

}  // namespace millrace
