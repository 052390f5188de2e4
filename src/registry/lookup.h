// Named entries of a registry: the same lookup and listing for environments, models, algorithms and
// backends.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "millrace/core/nearest_name.h"
#include "millrace/registry/registry.h"

namespace millrace {

// "FILE:LINE: WHAT type: expected a registered WHAT, got "NAME"; did you mean "x"?" with
// kInvalidArgument; `where` is FILE:LINE or empty.
inline absl::Status NotRegistered(const std::string& what, const std::string& name,
                                  const std::string& where, const std::vector<std::string>& known) {
  return absl::InvalidArgumentError(absl::StrCat(where, where.empty() ? "" : ": ", what,
                                                 " type: expected a registered ", what, ", got \"",
                                                 name, "\"", DidYouMean(name, known)));
}

template <typename Entry>
std::vector<std::string> EntryNames(const std::map<std::string, Entry, std::less<>>& entries) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries) names.push_back(name);
  return names;
}

template <typename Entry>
absl::StatusOr<const Entry*> FindEntry(const std::map<std::string, Entry, std::less<>>& entries,
                                       const std::string& what, const std::string& name,
                                       const std::string& where) {
  const auto found = entries.find(name);
  if (found == entries.end()) return NotRegistered(what, name, where, EntryNames(entries));
  return &found->second;
}

template <typename Entry>
std::vector<Registry::Listing> ListEntries(
    const std::map<std::string, Entry, std::less<>>& entries) {
  std::vector<Registry::Listing> list;
  for (const auto& [name, entry] : entries) list.push_back({name, entry.line});
  return list;
}

}  // namespace millrace
