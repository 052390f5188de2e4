#include "control/controller_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/run_paths.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

absl::Status WriteSynced(const std::filesystem::path& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path.string()));
  const bool written = ::write(file, text.data(), text.size()) == std::ssize(text);
  const bool synced = written && ::fsync(file) == 0;
  const int error = errno;
  ::close(file);
  if (!synced) return absl::ErrnoToStatus(error, absl::StrCat("write ", path.string()));
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteControllerFile(const std::filesystem::path& run_directory,
                                 const ControllerAddress& address) {
  const nlohmann::json json = {{"address", address.address},
                               {"token", address.token},
                               {"pid", address.pid},
                               {"epoch", address.epoch}};
  const std::filesystem::path path = RunPaths(run_directory).controller();
  const std::filesystem::path temporary =
      absl::StrCat(path.string(), ".", static_cast<int>(::getpid()));
  MILLRACE_RETURN_IF_ERROR(WriteSynced(temporary, json.dump() + "\n"));
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("rename to ", path.string()));
  return absl::OkStatus();
}

absl::StatusOr<ControllerAddress> ReadControllerFile(const std::filesystem::path& run_directory) {
  const std::filesystem::path path = RunPaths(run_directory).controller();
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("there is no ", path.string()));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    return ControllerAddress{.address = json.at("address"),
                             .token = json.at("token"),
                             .pid = json.at("pid"),
                             .epoch = json.at("epoch")};
  } catch (const nlohmann::json::exception& error) {
    return absl::DataLossError(
        absl::StrCat(path.string(), ": expected a controller's address, got: ", error.what()));
  }
}

absl::StatusOr<std::string> NewToken() {
  std::array<char, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != std::ssize(bytes)) {
    return absl::ErrnoToStatus(errno, "getrandom");
  }
  return absl::BytesToHexString({bytes.data(), bytes.size()});
}

bool SameToken(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

}  // namespace millrace
