// Whole files that are on the disk when the call returns, and their folders.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

// "WHAT: MESSAGE OF ERRNO". kResourceExhausted: disk or quota full, or file too large; kNotFound;
// kPermissionDenied; kAlreadyExists; kInternal for the rest.
absl::Status FileError(int error, std::string_view what);

// Writes a new file and flushes it to the disk.
absl::Status WriteDurably(const std::filesystem::path& path, std::string_view contents);
// Flushes the entries of a folder, so that renames in it survive a power failure.
absl::Status SyncFolder(const std::filesystem::path& folder);
// kNotFound; kDataLoss if it is longer than `max_bytes`. Does not follow a link.
absl::StatusOr<std::string> ReadWhole(const std::filesystem::path& path, size_t max_bytes);

// Puts `from` in the place of `to` at once, whether `to` exists (a full folder even) or not; the
// old `to`, if any, is then called `from`.
absl::Status Exchange(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace millrace
