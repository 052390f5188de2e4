#include "streams/shm/reader_bells.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/doorbell.h"
#include "millrace/core/status.h"

namespace millrace {

struct ReaderBells::Entry {
  static constexpr uint32_t kFree = 0, kClaimed = 1, kValid = 2;
  static constexpr size_t kPathBytes = 252;  // with the final zero

  std::atomic<uint32_t> state;
  char path[kPathBytes];  // constant once the entry is valid
};

ReaderBells::ReaderBells(std::unique_ptr<MappedFile> file)
    : file_(std::move(file)), entries_(file_->At<Entry>(0)) {}

absl::StatusOr<std::unique_ptr<ReaderBells>> ReaderBells::Open(
    const std::filesystem::path& directory, const std::string& policy) {
  MILLRACE_ASSIGN_OR_RETURN(
      auto file, MappedFile::OpenOrCreate(directory / absl::StrCat("weight-", policy, ".bells"),
                                          kMaxReaders * sizeof(Entry)));
  return std::unique_ptr<ReaderBells>(new ReaderBells(std::move(file)));
}

absl::Status ReaderBells::Add(const std::filesystem::path& bell) {
  const std::string path = bell.string();
  if (path.size() >= Entry::kPathBytes) {
    return absl::InvalidArgumentError(absl::StrCat("doorbell file ", path, ": expected less than ",
                                                   Entry::kPathBytes, " characters, got ",
                                                   path.size()));
  }
  for (int i = 0; i < kMaxReaders; ++i) {
    Entry& entry = entries_[i];
    uint32_t state = Entry::kFree;
    if (entry.state.compare_exchange_strong(state, Entry::kClaimed)) {
      std::memcpy(entry.path, path.c_str(), path.size() + 1);
      entry.state.store(Entry::kValid);
      return absl::OkStatus();
    }
    // One that is claimed belongs to another worker, or to one killed at this very point.
    if (state == Entry::kValid && path == entry.path) return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("more than ", kMaxReaders, " readers of one policy's weights on this host"));
}

void ReaderBells::Ring() {
  for (size_t i = 0; i < kMaxReaders; ++i) {
    const uint32_t state = entries_[i].state.load();
    if (state == Entry::kFree) return;
    if (i == opened_.size()) opened_.emplace_back();
    if (state != Entry::kValid) continue;
    if (opened_[i] == nullptr) {
      auto file = MappedFile::Open(entries_[i].path, sizeof(Doorbell));
      if (!file.ok()) {
        spdlog::debug("cannot ring a weight reader: {}", std::string(file.status().message()));
        continue;
      }
      opened_[i] = *std::move(file);
    }
    opened_[i]->At<Doorbell>(0)->Ring();
  }
}

}  // namespace millrace
