#include "control/name_table.h"

#include <algorithm>

namespace millrace {

void NameTable::Stamp(Records::iterator record) {
  by_revision_.erase(record->second.revision);
  record->second.revision = ++revision_;
  by_revision_.emplace(revision_, record);
}

void NameTable::Forget(const std::string& owner, const std::string& key) {
  const auto found = owned_.find(owner);
  if (found == owned_.end()) return;
  found->second.erase(key);
  if (found->second.empty()) owned_.erase(found);
}

bool NameTable::Put(const std::string& owner, const std::string& key, const std::string& value) {
  const auto [found, inserted] = records_.try_emplace(key);
  Record& record = found->second;
  if (record.owner != owner) Forget(record.owner, key);
  record.owner = owner;
  owned_[owner].insert(key);
  if (!inserted && !record.deleted && record.value == value) return false;
  record.value = value;
  record.deleted = false;
  Stamp(found);
  return true;
}

bool NameTable::Delete(const std::string& owner, const std::string& key) {
  const auto found = records_.find(key);
  if (found == records_.end() || found->second.deleted || found->second.owner != owner) {
    return false;
  }
  found->second.deleted = true;
  found->second.value.clear();
  Forget(owner, key);
  Stamp(found);
  return true;
}

std::vector<std::string> NameTable::DeleteOwned(const std::string& owner) {
  return ReplaceOwned(owner, {});
}

std::vector<std::string> NameTable::ReplaceOwned(const std::string& owner,
                                                 const std::vector<NameEntry>& keys) {
  std::vector<std::string> changed;
  if (const auto owned = owned_.find(owner); owned != owned_.end()) {
    for (const std::string& key : owned->second) {
      const auto same_key = [&](const NameEntry& entry) { return entry.key == key; };
      if (std::ranges::none_of(keys, same_key)) changed.push_back(key);
    }
  }
  for (const std::string& key : changed) Delete(owner, key);
  for (const NameEntry& entry : keys) {
    if (Put(owner, entry.key, entry.value)) changed.push_back(entry.key);
  }
  return changed;
}

NameUpdate NameTable::Since(uint64_t revision, std::span<const std::string> watched,
                            std::span<const std::string> added) const {
  const auto below = [](std::string_view key, std::span<const std::string> prefixes) {
    return std::ranges::any_of(prefixes, [&](const auto& p) { return key.starts_with(p); });
  };
  NameUpdate update{.revision = revision_, .complete = {added.begin(), added.end()}, .changes = {}};
  for (const std::string& prefix : added) {
    for (NameEntry& entry : List(prefix)) {
      update.changes.push_back({.key = std::move(entry.key), .value = std::move(entry.value)});
    }
  }
  for (auto it = by_revision_.upper_bound(revision); it != by_revision_.end(); ++it) {
    const auto& [key, record] = *it->second;
    if (!below(key, watched) || below(key, added)) continue;
    update.changes.push_back({.key = key, .value = record.value, .deleted = record.deleted});
  }
  return update;
}

std::vector<NameEntry> NameTable::List(std::string_view prefix) const {
  std::vector<NameEntry> found;
  for (auto it = records_.lower_bound(prefix);
       it != records_.end() && it->first.starts_with(prefix); ++it) {
    if (!it->second.deleted) found.push_back({it->first, it->second.value});
  }
  return found;
}

}  // namespace millrace
