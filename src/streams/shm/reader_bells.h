// The doorbells of those who read a policy's weights on this host, for the server that rings them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/mapped_file.h"

namespace millrace {

// A list in shared memory that only grows: a worker's doorbell file stays as long as the run, and a
// restarted worker has the same one. Add() is safe in any thread and process; Ring() is bound to
// the server's thread.
class ReaderBells {
 public:
  static constexpr int kMaxReaders = 1024;

  static absl::StatusOr<std::unique_ptr<ReaderBells>> Open(const std::filesystem::path& directory,
                                                           const std::string& policy);
  // The doorbell in this file is rung for every version that comes after the call; versions from
  // before must be looked for.
  //   kInvalidArgument    the path is too long
  //   kResourceExhausted  there are kMaxReaders already
  absl::Status Add(const std::filesystem::path& bell);
  void Ring();

 private:
  struct Entry;
  explicit ReaderBells(std::unique_ptr<MappedFile> file);

  const std::unique_ptr<MappedFile> file_;
  Entry* const entries_;                             // [kMaxReaders]
  std::vector<std::unique_ptr<MappedFile>> opened_;  // of the entries seen so far; null: unusable
};

}  // namespace millrace
