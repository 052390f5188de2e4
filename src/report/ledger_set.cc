#include "report/ledger_set.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace millrace {
namespace {

auto OrderOf(const LedgerSet::Entry& entry) {
  const LedgerIdentity& identity = entry.snapshot.identity;
  return std::tie(identity.role, identity.index, identity.incarnation);
}

}  // namespace

absl::Status LedgerSet::Refresh() {
  PickUpNewFiles();
  absl::Status status;
  for (const bool trainers : {true, false}) {
    for (auto& [path, file] : files_) {
      if ((ParseLedgerName(path.filename().string())->role == "trainer") != trainers) continue;
      status.Update(Read(file));
    }
  }
  return status;
}

void LedgerSet::PickUpNewFiles() {
  for (auto& [name, path] : ListLedgers(directory_)) {
    if (files_.contains(path)) continue;
    if (auto mapping = Ledger::OpenForReading(path); mapping.ok()) {
      files_[path].mapping = *std::move(mapping);
    }
  }
}

absl::Status LedgerSet::Read(File& file) {
  file.entry.new_episodes.clear();
  absl::StatusOr<LedgerSnapshot> snapshot = Ledger::Read(*file.mapping);
  if (!snapshot.ok()) return snapshot.status();
  file.entry.snapshot = *std::move(snapshot);
  file.was_read = true;
  return ReadEpisodes(file);
}

absl::Status LedgerSet::ReadEpisodes(File& file) {
  if (file.entry.snapshot.episode_count == file.episodes_read) return absl::OkStatus();
  auto episodes = Ledger::ReadEpisodes(*file.mapping, file.episodes_read);
  file.episodes_read += episodes.ok() ? episodes->size() : 0;
  if (!episodes.ok() || file.episodes_read < file.entry.snapshot.episode_count) {
    // Some were overwritten before they could be read: they are lost to the statistics only.
    file.episodes_read = file.entry.snapshot.episode_count;
  }
  if (episodes.ok()) file.entry.new_episodes = *std::move(episodes);
  return absl::OkStatus();
}

std::vector<const LedgerSet::Entry*> LedgerSet::entries() const {
  std::vector<const Entry*> entries;
  for (const auto& [path, file] : files_) {
    if (file.was_read) entries.push_back(&file.entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry* a, const Entry* b) { return OrderOf(*a) < OrderOf(*b); });
  return entries;
}

}  // namespace millrace
