#include "checkpoint/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

absl::Status FileError(int error, std::string_view what) {
  const std::string message = absl::StrCat(std::string(what), ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
    case ENOTEMPTY:
      return absl::AlreadyExistsError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status WriteDurably(const std::filesystem::path& path, std::string_view contents) {
  const std::string what = absl::StrCat("cannot write ", path.string());
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (file.fd() < 0) return FileError(errno, what);
  while (!contents.empty()) {
    const ssize_t written = ::write(file.fd(), contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, what);
    contents.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(file.fd()) != 0) return FileError(errno, what);
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::filesystem::path& folder) {
  const std::string what = absl::StrCat("cannot flush ", folder.string());
  const Descriptor file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.fd() < 0 || ::fsync(file.fd()) != 0) return FileError(errno, what);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadWhole(const std::filesystem::path& path, size_t max_bytes) {
  const std::string what = absl::StrCat("cannot read ", path.string());
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.fd() < 0) return FileError(errno, what);
  struct stat info {};
  if (::fstat(file.fd(), &info) != 0) return FileError(errno, what);
  const auto bytes = static_cast<size_t>(std::max<off_t>(info.st_size, 0));
  if (!S_ISREG(info.st_mode) || bytes > max_bytes) {
    return absl::DataLossError(absl::StrCat(path.string(), ": expected a file of at most ",
                                            max_bytes, " bytes, got ", bytes));
  }
  std::string contents(bytes, '\0');
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::read(file.fd(), contents.data() + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, what);
    if (got == 0) return absl::DataLossError(absl::StrCat(path.string(), " became shorter"));
    done += static_cast<size_t>(got);
  }
  return contents;
}

absl::Status Exchange(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::string what = absl::StrCat("cannot rename ", from.string(), " to ", to.string());
  if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  if (errno != ENOTEMPTY && errno != EEXIST) return FileError(errno, what);
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
    return absl::OkStatus();
  }
  if (errno != EINVAL && errno != ENOSYS) return FileError(errno, what);
  // This file system cannot swap: for a moment there is no `to`.
  const std::string aside = from.string() + ".old";
  if (::rename(to.c_str(), aside.c_str()) != 0 || ::rename(from.c_str(), to.c_str()) != 0 ||
      ::rename(aside.c_str(), from.c_str()) != 0) {
    return FileError(errno, what);
  }
  return absl::OkStatus();
}

}  // namespace millrace
