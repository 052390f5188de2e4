#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

absl::Status ErrnoStatus(int error, const std::string& what) {
  const std::string message = absl::StrCat(what, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case ENOSPC:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

// Closes a descriptor at the end of a scope.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

absl::StatusOr<std::byte*> Map(int fd, size_t bytes, const std::filesystem::path& path) {
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return ErrnoStatus(errno, absl::StrCat("cannot map ", path.string()));
  return static_cast<std::byte*>(address);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Create(const std::filesystem::path& path,
                                                               size_t bytes) {
  // The file gets its name only when it has its size, so that no reader sees half a file.
  static std::atomic<int> serial{0};
  const std::string temporary =
      absl::StrCat(path.string(), ".tmp.", ::getpid(), ".", serial.fetch_add(1));
  Descriptor file{::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (file.fd < 0) return ErrnoStatus(errno, absl::StrCat("cannot create ", path.string()));
  // posix_fallocate, not ftruncate: a full tmpfs must fail here and not as SIGBUS later.
  int error = ::posix_fallocate(file.fd, 0, static_cast<off_t>(bytes));
  if (error == 0 && ::link(temporary.c_str(), path.c_str()) != 0) error = errno;
  ::unlink(temporary.c_str());
  if (error != 0) {
    return ErrnoStatus(error,
                       absl::StrCat("cannot create ", path.string(), " of ", bytes, " bytes"));
  }
  auto data = Map(file.fd, bytes, path);
  if (!data.ok()) return data.status();
  return std::unique_ptr<MappedFile>(new MappedFile(path, *data, bytes));
}

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::filesystem::path& path,
                                                             size_t minimum_bytes) {
  Descriptor file{::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
  if (file.fd < 0) return ErrnoStatus(errno, absl::StrCat("cannot open ", path.string()));
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return ErrnoStatus(errno, "fstat");
  const size_t bytes = static_cast<size_t>(info.st_size);
  if (bytes < minimum_bytes || bytes == 0) {
    return absl::DataLossError(
        absl::StrCat(path.string(), ": expected at least ", minimum_bytes, " bytes, got ", bytes));
  }
  auto data = Map(file.fd, bytes, path);
  if (!data.ok()) return data.status();
  return std::unique_ptr<MappedFile>(new MappedFile(path, *data, bytes));
}

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::OpenOrCreate(
    const std::filesystem::path& path, size_t bytes) {
  auto created = Create(path, bytes);
  if (created.ok() || created.status().code() != absl::StatusCode::kAlreadyExists) return created;
  return Open(path, bytes);
}

MappedFile::~MappedFile() { ::munmap(data_, size_); }

}  // namespace millrace
