#include "control/name_mirror.h"

#include <algorithm>
#include <set>

namespace millrace {

void NameMirror::Watch(std::string_view prefix, Doorbell* bell) {
  MutexLock lock(mutex_);
  prefixes_.try_emplace(std::string(prefix), false);
  watchers_.push_back({std::string(prefix), bell});
}

bool NameMirror::IsLoaded(std::string_view prefix) const {
  const auto found = prefixes_.find(prefix);
  return found != prefixes_.end() && found->second;
}

bool NameMirror::WaitLoaded(std::string_view prefix, Deadline deadline) {
  MutexLock lock(mutex_);
  while (!IsLoaded(prefix)) {
    if (!loaded_.WaitUntil(lock, deadline) && !IsLoaded(prefix)) return false;
  }
  return true;
}

std::vector<NameEntry> NameMirror::List(std::string_view prefix) const {
  MutexLock lock(mutex_);
  std::vector<NameEntry> found;
  for (auto it = entries_.lower_bound(prefix);
       it != entries_.end() && it->first.starts_with(prefix); ++it) {
    found.push_back({it->first, it->second});
  }
  return found;
}

NameMirror::Query NameMirror::NextQuery() const {
  MutexLock lock(mutex_);
  Query query{.revision = server_revision_, .watched = {}, .added = {}};
  for (const auto& [prefix, loaded] : prefixes_) {
    (loaded ? query.watched : query.added).push_back(prefix);
  }
  return query;
}

void NameMirror::Change(const NameChange& change) {
  const auto found = entries_.find(change.key);
  if (change.deleted) {
    if (found == entries_.end()) return;
    entries_.erase(found);
  } else if (found == entries_.end()) {
    entries_.emplace(change.key, change.value);
  } else if (found->second == change.value) {
    return;
  } else {
    found->second = change.value;
  }
  revision_.fetch_add(1);
  for (const Watcher& watcher : watchers_) {
    if (watcher.bell != nullptr && change.key.starts_with(watcher.prefix)) watcher.bell->Ring();
  }
}

void NameMirror::RemoveMissing(const NameUpdate& update) {
  std::set<std::string_view> present;
  for (const NameChange& change : update.changes) {
    if (!change.deleted) present.insert(change.key);
  }
  std::vector<NameChange> gone;
  for (const std::string& prefix : update.complete) {
    for (auto it = entries_.lower_bound(prefix);
         it != entries_.end() && it->first.starts_with(prefix); ++it) {
      if (!present.contains(it->first)) gone.push_back({it->first, "", true});
    }
  }
  for (const NameChange& change : gone) Change(change);
}

void NameMirror::Apply(const NameUpdate& update) {
  MutexLock lock(mutex_);
  RemoveMissing(update);
  for (const NameChange& change : update.changes) Change(change);
  for (const std::string& prefix : update.complete) prefixes_[prefix] = true;
  server_revision_ = update.revision;
  if (!update.complete.empty()) loaded_.NotifyAll();
}

void NameMirror::Restart() {
  MutexLock lock(mutex_);
  for (auto& [prefix, loaded] : prefixes_) loaded = false;
  server_revision_ = 0;
}

}  // namespace millrace
