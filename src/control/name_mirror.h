// The worker's side of the name service: a copy of the prefixes it watches.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/name_update.h"
#include "core/mutex.h"
#include "net/name_service.h"

namespace millrace {

// Thread-safe.
class NameMirror {
 public:
  void Watch(std::string_view prefix, Doorbell* bell);
  // Blocks until the mirror holds the prefix; false at the deadline.
  bool WaitLoaded(std::string_view prefix, Deadline deadline);
  std::vector<NameEntry> List(std::string_view prefix) const;
  uint64_t revision() const { return revision_.load(); }

  // What to ask the controller for.
  struct Query {
    uint64_t revision = 0;
    std::vector<std::string> watched, added;
  };
  Query NextQuery() const;
  // Takes the answer in and rings the bells of changed prefixes.
  void Apply(const NameUpdate& update);
  // A new controller counts its own revisions: ask for everything again, keep what is there until
  // then.
  void Restart();

 private:
  struct Watcher {
    std::string prefix;
    Doorbell* bell;
  };
  bool IsLoaded(std::string_view prefix) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveMissing(const NameUpdate& update) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Change(const NameChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar loaded_;
  std::map<std::string, std::string, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
  std::vector<Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, bool, std::less<>> prefixes_ ABSL_GUARDED_BY(mutex_);  // to: loaded?
  uint64_t server_revision_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<uint64_t> revision_{0};
};

}  // namespace millrace
