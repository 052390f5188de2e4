// How the ends of a slab stream find each other through the name service.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/name_service.h"

namespace millrace {

// The value of a name: {"incarnation": 2, "slab": "...", "bell": "..."}. `slab` is empty for ends
// that own none.
struct Peer {
  uint32_t index = 0;  // the last part of the key
  uint32_t incarnation = 0;
  std::string slab = {};
  std::string bell = {};
  bool operator==(const Peer&) const = default;
};

// Keeps a name published as long as it lives.
class Announcement {
 public:
  // `key` without the index.
  static absl::StatusOr<std::unique_ptr<Announcement>> Create(NameService* names,
                                                              const std::string& prefix,
                                                              const Peer& self);
  // Deletes the name, unless a successor has put its own there.
  ~Announcement();

 private:
  Announcement(NameService* names, std::string key, std::string value);

  NameService* const names_;
  const std::string key_;
  const std::string value_;
};

// The peers below a prefix. Bound to its owner's thread.
class PeerList {
 public:
  // Rings `bell` when the peers change.
  static absl::StatusOr<std::unique_ptr<PeerList>> Create(NameService* names, std::string prefix,
                                                          Doorbell* bell);
  // Reads the names again if any have changed; true if `peers()` is different from before. Entries
  // that cannot be parsed are logged and left out.
  bool Update();
  // Ordered by index.
  const std::vector<Peer>& peers() const { return peers_; }

 private:
  PeerList(NameService* names, std::string prefix);

  NameService* const names_;
  const std::string prefix_;
  uint64_t revision_ = 0;
  bool read_ = false;
  std::vector<Peer> peers_;
};

// "sample/default/producer/": where the ends of one side of a stream are announced.
std::string PeerPrefix(const std::string& stream, const std::string& policy,
                       const std::string& side);
// "sample-default-3.1": the slab of one end.
std::string SlabName(const std::string& stream, const std::string& policy, uint32_t index,
                     uint32_t incarnation);

}  // namespace millrace
