// Who is where: a small key-value store that every worker mirrors for the prefixes it cares about.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/doorbell.h"

namespace millrace {

struct NameEntry {
  std::string key;
  std::string value;
  bool operator==(const NameEntry&) const = default;
};

// Keys are paths such as "sample/default/producer/3". A key put here lives as long as its owner's
// lease: it disappears when the owner dies. Values are JSON objects. Thread-safe. Reads come from
// the local mirror and never block.
class NameService {
 public:
  virtual ~NameService() = default;

  // Publishes a key of this worker; replaces an older value.
  virtual absl::Status Put(std::string_view key, std::string_view value) = 0;
  virtual absl::Status Delete(std::string_view key) = 0;

  // Mirrors `prefix` from now on and rings `bell` (may be null; must outlive this object) after
  // each change below it. Returns once the mirror holds the prefix's present state.
  virtual absl::Status Watch(std::string_view prefix, Doorbell* bell) = 0;
  // The mirrored keys below `prefix`, sorted.
  virtual std::vector<NameEntry> List(std::string_view prefix) const = 0;
  // Grows with every change of the mirror: compare it to skip List().
  virtual uint64_t revision() const = 0;
};

// The well-known keys. INDEX and RANK are decimal numbers.
//   inference/POLICY/server/INDEX     {"incarnation", "endpoint"}            policy worker
//   inference/POLICY/client/INDEX     {"incarnation", "slab"}                actor worker (shm)
//   sample/POLICY/producer/INDEX      {"incarnation", "slab"}                actor worker (shm)
//   sample/POLICY/consumer/RANK       {"incarnation", "endpoint"}            trainer worker
//   weight/server/INDEX               {"incarnation", "endpoint"}            parameter server
//   trainer/POLICY/RANK               {"incarnation", "batch", ...}          trainer worker
//   closed/producer/INDEX/INCARNATION {"lanes":[{"stream","rank","committed"}]}  by the controller,
//   for ever
std::string NameKey(std::string_view a, std::string_view b, std::string_view c, uint64_t number);

}  // namespace millrace
