// Checkpoint directories: RUN/checkpoints/TRAIN_STEPS/{model.safetensors, optimizer.safetensors,
// manifest.json} and whatever other files a checkpoint carries.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

// A checkpoint as files and one JSON document. Value type.
struct Checkpoint {
  uint64_t train_steps = 0;
  std::map<std::string, std::string> files;  // name -> contents
  std::string manifest_json;                 // the writer's part: counters, versions, random states
};

// Atomic: written to a temporary directory, every file and the directory flushed to disk, then
// renamed, then the parent flushed. The manifest holds size and CRC-32C of every file; a checkpoint
// without a valid manifest does not exist. Thread-compatible; one writer per directory (other
// processes may read at any time).
class CheckpointStore {
 public:
  // Removes left-over temporary directories of dead writers.
  static absl::StatusOr<CheckpointStore> Open(std::filesystem::path directory);

  // Writes, then removes the oldest so that `keep` are left (never the newest valid one; version 0
  // is not special). kResourceExhausted if the disk is full: nothing is removed then. Writing the
  // same step again replaces it.
  absl::Status Write(const Checkpoint& checkpoint, int keep);
  // The newest checkpoint whose checksums hold; older ones are tried in turn and each rejected one
  // is named in `rejected` with the reason. kNotFound if there is none.
  absl::StatusOr<Checkpoint> ReadNewest(std::vector<std::string>* rejected = nullptr) const;
  // kNotFound, kDataLoss.
  absl::StatusOr<Checkpoint> Read(uint64_t train_steps) const;
  // manifest_json alone, without reading the files. kNotFound, kDataLoss.
  absl::StatusOr<std::string> ReadManifestJson(uint64_t train_steps) const;
  // Steps of all complete-looking checkpoints, ascending.
  std::vector<uint64_t> List() const;

 private:
  explicit CheckpointStore(std::filesystem::path directory) : directory_(std::move(directory)) {}
  std::filesystem::path directory_;
};

}  // namespace millrace
