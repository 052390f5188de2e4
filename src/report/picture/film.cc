#include "report/picture/film.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"
#include "report/picture/frame.h"
#include "report/picture/raster.h"
#include "report/picture/svg_film.h"
#include "report/picture/video_encoder.h"

namespace millrace {
namespace {

class VideoFilm final : public Film {
 public:
  VideoFilm(std::filesystem::path file, VideoFormat format, const FilmOptions& options)
      : file_(std::move(file)), format_(format), options_(options) {}

  absl::Status Add(const Drawing& drawing) override {
    MILLRACE_RETURN_IF_ERROR(CheckDrawing(drawing));
    if (!raster_) MILLRACE_RETURN_IF_ERROR(Begin(ChooseFrameSize(drawing, options_.size)));
    raster_->Draw(drawing);
    return encoder_->Write(raster_->pixels());
  }

  absl::Status Add(const Image& image, const std::string& caption) override {
    if (!raster_) {
      MILLRACE_RETURN_IF_ERROR(Begin(ChooseFrameSize(image.width, image.height, caption,
                                                     std::max(image.width, image.height))));
    }
    raster_->Draw(image, caption);
    return encoder_->Write(raster_->pixels());
  }

  absl::Status Finish() override {
    if (!raster_) return absl::FailedPreconditionError("a film needs at least one drawing");
    return encoder_->Finish();
  }

 private:
  absl::Status Begin(const FrameSize& frame) {
    MILLRACE_ASSIGN_OR_RETURN(
        encoder_, VideoEncoder::Start(file_, format_,
                                      {.width = frame.width,
                                       .height = frame.height,
                                       .frames_per_second = options_.frames_per_second}));
    raster_.emplace(frame);
    return absl::OkStatus();
  }

  const std::filesystem::path file_;
  const VideoFormat format_;
  const FilmOptions options_;
  // From the first drawing on.
  std::optional<Raster> raster_;
  std::unique_ptr<VideoEncoder> encoder_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Film>> OpenFilm(const std::filesystem::path& file,
                                               const FilmOptions& options) {
  constexpr int kLeastSize = 16, kMostSize = 8192;
  constexpr double kMostFrames = 1000;
  if (options.size < kLeastSize || options.size > kMostSize) {
    return absl::InvalidArgumentError(absl::StrCat("size of a film: expected ", kLeastSize, " to ",
                                                   kMostSize, " pixels, got ", options.size));
  }
  if (!(options.frames_per_second > 0 && options.frames_per_second <= kMostFrames)) {
    return absl::InvalidArgumentError(absl::StrCat("frames a second: expected more than 0 and at ",
                                                   "most ", kMostFrames, ", got ",
                                                   options.frames_per_second));
  }
  const std::string ending = absl::AsciiStrToLower(file.extension().string());
  if (ending == ".svg") return std::make_unique<SvgFilm>(file, options);
  if (ending == ".gif") return std::make_unique<VideoFilm>(file, VideoFormat::kGif, options);
  if (ending == ".mp4") return std::make_unique<VideoFilm>(file, VideoFormat::kMp4, options);
  return absl::InvalidArgumentError(absl::StrCat(
      "expected a file name that ends in .svg, .gif or .mp4, got \"", file.string(), "\""));
}

}  // namespace millrace
