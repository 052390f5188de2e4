// The controller's side of the name service.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/name_update.h"
#include "net/name_service.h"

namespace millrace {

// Keys with owners and a revision that grows with every change. Thread-compatible. An empty owner
// means the key is permanent. Deleted keys leave a tombstone so that mirrors hear of it; names are
// reused by a worker's next incarnation, so tombstones do not pile up.
class NameTable {
 public:
  // False if nothing changed. Takes the key over from any other owner.
  bool Put(const std::string& owner, const std::string& key, const std::string& value);
  // False if the key is not there or belongs to another owner.
  bool Delete(const std::string& owner, const std::string& key);
  // Deletes what `owner` owns; the deleted keys.
  std::vector<std::string> DeleteOwned(const std::string& owner);
  // Makes `keys` everything `owner` owns; the changed keys.
  std::vector<std::string> ReplaceOwned(const std::string& owner,
                                        const std::vector<NameEntry>& keys);

  // All keys below the `added` prefixes, and what changed below the `watched` ones after
  // `revision`.
  NameUpdate Since(uint64_t revision, std::span<const std::string> watched,
                   std::span<const std::string> added) const;
  std::vector<NameEntry> List(std::string_view prefix) const;
  uint64_t revision() const { return revision_; }

 private:
  struct Record {
    std::string value;
    std::string owner;
    uint64_t revision = 0;
    bool deleted = false;
  };
  using Records = std::map<std::string, Record, std::less<>>;
  void Stamp(Records::iterator record);
  void Forget(const std::string& owner, const std::string& key);

  Records records_;
  std::map<std::string, std::set<std::string>> owned_;  // present keys by owner
  std::map<uint64_t, Records::const_iterator> by_revision_;
  uint64_t revision_ = 0;
};

}  // namespace millrace
