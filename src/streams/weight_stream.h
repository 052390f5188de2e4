// The weight stream: trainers publish versioned parameters to every parameter server; parameter
// servers hand the newest to every reader. One flat blob per policy: float32 parameters, then the
// normalisers, laid out by inference/parameter_layout.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/deadline.h"

namespace millrace {

struct WeightVersion {
  uint64_t epoch = 0;    // trainer group formation: fences zombies
  uint64_t version = 0;  // never reused within a run
  bool operator==(const WeightVersion&) const = default;
  // A newer epoch wins; inside an epoch the higher version.
  auto operator<=>(const WeightVersion&) const = default;
};

struct WeightSpec {
  std::string policy;
  uint64_t layout_hash = 0;  // of the parameter layout; both ends must agree
  size_t bytes = 0;          // of the blob
  // Publishers: over shared memory too, a CRC-32C goes with every version. Parameter servers check
  // it wherever it is there.
  bool checksum = false;
};

// Trainer side. Thread-compatible; bound to the thread that publishes.
class WeightPublisher {
 public:
  virtual ~WeightPublisher() = default;
  // Hands the blob over and returns; the bytes may be reused afterwards. Parameter servers that
  // start later get the newest version too.
  //   kFailedPrecondition  a newer epoch has published: this trainer is a zombie and must stop
  virtual absl::Status Publish(WeightVersion version, std::span<const std::byte> blob) = 0;
};

// Parameter server side: moves versions from trainers to readers on its own threads, for every
// policy given at construction, until destroyed. Never lets a reader go back to an older version.
class WeightServer {
 public:
  virtual ~WeightServer() = default;
  // The newest version held of a policy; {0, 0} if none yet.
  virtual WeightVersion Held(const std::string& policy) const = 0;
  // Versions received since the start, over all policies: progress for logs and tests.
  virtual uint64_t received() const = 0;
};

// Policy worker, inline actor, evaluation. Bound to one thread. Rings the doorbell given at
// construction when a newer version can be read.
class WeightReader {
 public:
  virtual ~WeightReader() = default;
  // The newest version that Read() would return; cheap enough to call before every batch.
  virtual WeightVersion Available() const = 0;
  // Copies the newest version into `blob` (WeightSpec::bytes long). kUnavailable if there is none
  // yet.
  virtual absl::StatusOr<WeightVersion> Read(std::span<std::byte> blob) = 0;
};

}  // namespace millrace
