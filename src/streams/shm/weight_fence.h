// What the publishers and the server of one host share beside the blobs themselves.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/doorbell.h"
#include "core/mapped_file.h"

namespace millrace {

// The newest epoch that has published a policy's weights: it only rises. Every epoch writes a file
// of its own, so a trainer that was stopped in the middle of a write and wakes up after its
// successor has published spoils nothing. Thread-safe, across processes.
class WeightFence {
 public:
  static absl::StatusOr<std::unique_ptr<WeightFence>> Open(const std::filesystem::path& directory,
                                                           const std::string& policy);
  uint64_t epoch() const { return word_->load(); }
  // Raises the fence to `epoch` and returns what it was. It stays where it is if it is higher.
  uint64_t Raise(uint64_t epoch);

 private:
  explicit WeightFence(std::unique_ptr<MappedFile> file)
      : file_(std::move(file)), word_(file_->At<std::atomic<uint64_t>>(0)) {}
  const std::unique_ptr<MappedFile> file_;
  std::atomic<uint64_t>* const word_;
};

// The doorbell publishers ring for the servers of the host, one for all policies.
class WeightBell {
 public:
  static absl::StatusOr<std::unique_ptr<WeightBell>> Open(const std::filesystem::path& directory);
  Doorbell& operator*() const { return *file_->At<Doorbell>(0); }

 private:
  explicit WeightBell(std::unique_ptr<MappedFile> file) : file_(std::move(file)) {}
  const std::unique_ptr<MappedFile> file_;
};

std::filesystem::path TrainerWeights(const std::filesystem::path& directory,
                                     const std::string& policy, uint64_t epoch);
std::filesystem::path HostWeights(const std::filesystem::path& directory,
                                  const std::string& policy);

}  // namespace millrace
