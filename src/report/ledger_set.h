// All ledgers of a run, kept mapped and read again and again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "core/mapped_file.h"
#include "data/ledger.h"

namespace millrace {

// Thread-compatible. Ledgers of dead processes stay in the set: their counts are part of the run.
class LedgerSet {
 public:
  struct Entry {
    LedgerSnapshot snapshot;
    std::vector<EpisodeRecord> new_episodes;  // since the refresh before
  };

  explicit LedgerSet(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // Picks up new files and copies every ledger: first the trainers', then the others', so that no
  // consumer is seen to have more than its producers. Files that are not ledgers (yet) are left
  // out. kUnavailable if a ledger could not be copied in peace: the set holds its copy of before.
  absl::Status Refresh();

  // Ordered by role, index and incarnation.
  std::vector<const Entry*> entries() const;

 private:
  struct File {
    std::unique_ptr<MappedFile> mapping;
    Entry entry;
    uint64_t episodes_read = 0;
    bool was_read = false;
  };
  void PickUpNewFiles();
  static absl::Status Read(File& file);
  static absl::Status ReadEpisodes(File& file);

  const std::filesystem::path directory_;
  std::map<std::filesystem::path, File> files_;
};

}  // namespace millrace
