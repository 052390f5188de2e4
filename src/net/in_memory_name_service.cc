#include "net/in_memory_name_service.h"

#include <spdlog/fmt/fmt.h>

namespace millrace {

std::string NameKey(std::string_view a, std::string_view b, std::string_view c, uint64_t number) {
  return fmt::format("{}/{}/{}/{}", a, b, c, number);
}

void InMemoryNameService::Changed(std::string_view key) {
  revision_.fetch_add(1);
  for (const Watcher& watcher : watchers_) {
    if (watcher.bell != nullptr && key.starts_with(watcher.prefix)) watcher.bell->Ring();
  }
}

absl::Status InMemoryNameService::Put(std::string_view key, std::string_view value) {
  MutexLock lock(mutex_);
  entries_[std::string(key)] = std::string(value);
  Changed(key);
  return absl::OkStatus();
}

absl::Status InMemoryNameService::Delete(std::string_view key) {
  MutexLock lock(mutex_);
  if (const auto found = entries_.find(key); found != entries_.end()) {
    entries_.erase(found);
    Changed(key);
  }
  return absl::OkStatus();
}

absl::Status InMemoryNameService::Watch(std::string_view prefix, Doorbell* bell) {
  MutexLock lock(mutex_);
  watchers_.push_back({std::string(prefix), bell});
  return absl::OkStatus();
}

std::vector<NameEntry> InMemoryNameService::List(std::string_view prefix) const {
  MutexLock lock(mutex_);
  std::vector<NameEntry> found;
  for (auto it = entries_.lower_bound(prefix);
       it != entries_.end() && it->first.starts_with(prefix); ++it) {
    found.push_back({it->first, it->second});
  }
  return found;
}

}  // namespace millrace
