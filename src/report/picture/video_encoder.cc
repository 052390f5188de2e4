#include "report/picture/video_encoder.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

std::vector<std::string> Arguments(VideoFormat format, const VideoEncoder::Options& options,
                                   const std::string& file) {
  std::vector<std::string> arguments = {"ffmpeg", "-nostdin", "-v", "error", "-y",
                                        // what comes in
                                        "-f", "rawvideo", "-pix_fmt", "bgr0", "-video_size",
                                        absl::StrCat(options.width, "x", options.height),
                                        "-framerate", absl::StrCat(options.frames_per_second), "-i",
                                        "pipe:0"};
  const std::vector<std::string> mp4 = {"-c:v",     "libx264", "-preset",   "veryfast",
                                        "-pix_fmt", "yuv420p", "-movflags", "+faststart",
                                        "-f",       "mp4"};
  // The 256 colours are chosen for the whole film; without dither still areas stay still.
  const std::vector<std::string> gif = {
      "-filter_complex", "split[a][b];[a]palettegen[colors];[b][colors]paletteuse=dither=none",
      "-f", "gif"};
  const auto& output = format == VideoFormat::kGif ? gif : mp4;
  arguments.insert(arguments.end(), output.begin(), output.end());
  arguments.push_back("file:" + file);
  return arguments;
}

// Own the structure of posix_spawn.
class Redirections {
 public:
  Redirections(int input, int errors) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, errors, STDERR_FILENO);
  }
  ~Redirections() { ::posix_spawn_file_actions_destroy(&actions_); }
  Redirections(const Redirections&) = delete;
  Redirections& operator=(const Redirections&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

void Close(int& descriptor) {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

}  // namespace

VideoEncoder::VideoEncoder(std::filesystem::path file)
    : file_(std::move(file)), temporary_(file_.string() + ".tmp") {}

absl::StatusOr<std::unique_ptr<VideoEncoder>> VideoEncoder::Start(const std::filesystem::path& file,
                                                                  VideoFormat format,
                                                                  const Options& options) {
  std::unique_ptr<VideoEncoder> encoder(new VideoEncoder(file));
  MILLRACE_RETURN_IF_ERROR(encoder->Spawn(format, options));
  return encoder;
}

absl::Status VideoEncoder::Spawn(VideoFormat format, const Options& options) {
  // A socket, because a pipe whose reader is gone would end this process.
  std::array<int, 2> ends = {-1, -1};
  said_ = ::memfd_create("ffmpeg", MFD_CLOEXEC);
  if (said_ < 0 || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot talk to ffmpeg: ", std::strerror(errno)));
  }
  frames_ = ends[0];
  std::vector<std::string> arguments = Arguments(format, options, temporary_.string());
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const Redirections redirections(ends[1], said_);
  const int error =
      ::posix_spawnp(&process_, "ffmpeg", redirections.get(), nullptr, pointers.data(), ::environ);
  Close(ends[1]);
  if (error == 0) return absl::OkStatus();
  process_ = -1;
  if (error == ENOENT) {
    return absl::ResourceExhaustedError(
        ".gif and .mp4 are made by the program ffmpeg, which is not installed: expected the Debian "
        "package ffmpeg (apt-get install ffmpeg), or a file name that ends in .svg");
  }
  return absl::ResourceExhaustedError(absl::StrCat("cannot start ffmpeg: ", std::strerror(error)));
}

VideoEncoder::~VideoEncoder() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    (void)Wait();
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
  }
  Close(frames_);
  Close(said_);
}

absl::Status VideoEncoder::Write(std::span<const std::byte> pixels) {
  while (!pixels.empty()) {
    const ssize_t sent = ::send(frames_, pixels.data(), pixels.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      const int error = errno;
      MILLRACE_RETURN_IF_ERROR(Wait());
      return absl::ResourceExhaustedError(
          absl::StrCat("ffmpeg took no more frames: ", std::strerror(error)));
    }
    pixels = pixels.subspan(static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

absl::Status VideoEncoder::Finish() {
  MILLRACE_RETURN_IF_ERROR(Wait());
  std::error_code error;
  std::filesystem::rename(temporary_, file_, error);
  if (!error) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot rename to ", file_.string(), ": ", error.message()));
}

absl::Status VideoEncoder::Wait() {
  Close(frames_);
  if (process_ < 0) return absl::ResourceExhaustedError("ffmpeg has ended already");
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
  return absl::ResourceExhaustedError(
      absl::StrCat("ffmpeg could not write ", file_.string(), ": ", Said()));
}

std::string VideoEncoder::Said() const {
  std::string text(2000, '\0');
  const ssize_t size = ::pread(said_, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  const std::string line = absl::StrReplaceAll(absl::StripAsciiWhitespace(text), {{"\n", "; "}});
  return line.empty() ? "it did not say why" : line;
}

}  // namespace millrace
