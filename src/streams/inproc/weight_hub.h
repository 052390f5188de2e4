// Where the in-process weight ends of one policy meet.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "core/doorbell.h"
#include "core/mutex.h"
#include "net/name_service.h"
#include "streams/weight_blob.h"

namespace millrace {

// Holds the newest version. Lives as long as any end that joined it. Thread-safe.
class WeightHub {
 public:
  // The hub of this policy in the run that `names` belongs to.
  // kInvalidArgument if other ends use another layout.
  static absl::StatusOr<std::shared_ptr<WeightHub>> Join(const NameService* names,
                                                         const WeightSpec& spec);
  explicit WeightHub(WeightSpec spec) : spec_(std::move(spec)) {}

  absl::Status Publish(WeightVersion version, std::span<const std::byte> blob);
  WeightBlobPtr newest() const;  // null if there is none
  uint64_t published() const;    // versions accepted so far
  // Rung for every new version, until removed.
  void AddBell(Doorbell* bell);
  void RemoveBell(Doorbell* bell);

 private:
  const WeightSpec spec_;
  mutable Mutex mutex_;
  WeightBlobPtr newest_ ABSL_GUARDED_BY(mutex_);
  uint64_t published_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Doorbell*> bells_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millrace
