// A NameService inside one process: for the in-process transports, unit tests and conformance
// suites.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "net/name_service.h"

namespace millrace {

// Thread-safe. Several workers of one process may share it; keys have no lease and stay until
// deleted.
class InMemoryNameService final : public NameService {
 public:
  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view key) override;
  absl::Status Watch(std::string_view prefix, Doorbell* bell) override;
  std::vector<NameEntry> List(std::string_view prefix) const override;
  uint64_t revision() const override { return revision_.load(); }

 private:
  struct Watcher {
    std::string prefix;
    Doorbell* bell;
  };
  void Changed(std::string_view key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::map<std::string, std::string, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
  std::vector<Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint64_t> revision_{0};
};

}  // namespace millrace
