// Where the files of one run lie.
#pragma once

#include <filesystem>
#include <string>

namespace millrace {

// Value type. The run directory is stored absolute.
class RunPaths {
 public:
  explicit RunPaths(const std::filesystem::path& run_directory);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path config() const { return root_ / "config.yaml"; }
  std::filesystem::path controller() const { return root_ / "controller.json"; }
  std::filesystem::path metrics() const { return root_ / "metrics.jsonl"; }
  std::filesystem::path summary() const { return root_ / "summary.json"; }
  std::filesystem::path report() const { return root_ / "report.html"; }
  std::filesystem::path tensorboard() const { return root_ / "tensorboard"; }
  std::filesystem::path plots() const { return root_ / "plots"; }
  std::filesystem::path ledger() const { return root_ / "ledger"; }
  // The controller's journal of shared keys; of one launch only.
  std::filesystem::path store() const { return ledger() / "store"; }
  std::filesystem::path logs() const { return root_ / "logs"; }
  std::filesystem::path checkpoints() const { return root_ / "checkpoints"; }
  // Past versions of a policy.
  std::filesystem::path league(const std::string& policy) const {
    return root_ / "league" / policy;
  }
  // Slabs and doorbells: a directory on a memory file system (MILLRACE_SHM_DIR, default /dev/shm)
  // named after the run directory; the launcher makes it and removes it.
  std::filesystem::path shm() const;
  // The doorbell of one worker; it outlives the worker's incarnations.
  std::filesystem::path bell(const std::string& role, unsigned index) const;

 private:
  std::filesystem::path root_;
};

}  // namespace millrace
