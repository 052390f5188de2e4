// Past versions of one policy on disk: RUN/league/POLICY/VERSION/, checkpoints of weights alone.
// All stay there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "checkpoint/checkpoint_store.h"
#include "config/experiment.h"
#include "core/run_paths.h"
#include "millrace/inference/model_spec.h"
#include "workers/league/league_slots.h"

namespace millrace {

// One writer; others may read at any time. Thread-compatible.
class LeagueStore {
 public:
  static absl::StatusOr<LeagueStore> Open(const RunPaths& paths, std::string policy,
                                          ParameterLayout layout);

  // Ascending.
  std::vector<uint64_t> Versions() const { return store_.List(); }
  // kNotFound, kDataLoss; kInvalidArgument if the model was another one.
  absl::StatusOr<std::vector<std::byte>> Read(uint64_t version) const;
  absl::Status Write(uint64_t version, std::span<const std::byte> weights);

 private:
  LeagueStore(CheckpointStore store, std::string policy, ParameterLayout layout)
      : store_(std::move(store)), policy_(std::move(policy)), layout_(std::move(layout)) {}

  CheckpointStore store_;
  std::string policy_;
  ParameterLayout layout_;
};

// Keeps the first version of every period. Bound to the trainer's main thread.
class LeagueWriter {
 public:
  // Null if the policy has no league.
  static absl::StatusOr<std::unique_ptr<LeagueWriter>> Open(const PolicyConfig& policy,
                                                            const RunPaths& paths,
                                                            const ParameterLayout& layout);
  // To be called with every version before it is published: then whoever has it also finds those
  // that play beside it.
  // A version that cannot be written is left out, with a line in the log.
  void Offer(uint64_t version, std::span<const std::byte> weights);

 private:
  LeagueWriter(LeagueStore store, const LeagueConfig& league);

  LeagueStore store_;
  const LeagueSlots slots_;
  std::optional<uint64_t> period_;  // of the newest version that is kept
};

}  // namespace millrace
