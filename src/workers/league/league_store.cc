#include "workers/league/league_store.h"

#include <spdlog/spdlog.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "millrace/core/status.h"
#include "workers/common/weights_file.h"

namespace millrace {

absl::StatusOr<LeagueStore> LeagueStore::Open(const RunPaths& paths, std::string policy,
                                              ParameterLayout layout) {
  MILLRACE_ASSIGN_OR_RETURN(CheckpointStore store, CheckpointStore::Open(paths.league(policy)));
  return LeagueStore(std::move(store), std::move(policy), std::move(layout));
}

absl::StatusOr<std::vector<std::byte>> LeagueStore::Read(uint64_t version) const {
  MILLRACE_ASSIGN_OR_RETURN(const Checkpoint checkpoint, store_.Read(version));
  return ReadWeights(checkpoint, policy_, layout_);
}

absl::Status LeagueStore::Write(uint64_t version, std::span<const std::byte> weights) {
  std::vector<NamedTensor> tensors;
  AppendWeights(policy_, layout_, weights, tensors);
  Checkpoint checkpoint;
  checkpoint.train_steps = version;
  checkpoint.manifest_json = nlohmann::json{{"policy", policy_}, {"version", version}}.dump();
  MILLRACE_ASSIGN_OR_RETURN(checkpoint.files[kModelFile], EncodeSafetensors(tensors));
  return store_.Write(checkpoint, std::numeric_limits<int>::max());
}

absl::StatusOr<std::unique_ptr<LeagueWriter>> LeagueWriter::Open(const PolicyConfig& policy,
                                                                 const RunPaths& paths,
                                                                 const ParameterLayout& layout) {
  if (!policy.league.has_value()) return nullptr;
  MILLRACE_ASSIGN_OR_RETURN(LeagueStore store, LeagueStore::Open(paths, policy.name, layout));
  return std::unique_ptr<LeagueWriter>(new LeagueWriter(std::move(store), *policy.league));
}

LeagueWriter::LeagueWriter(LeagueStore store, const LeagueConfig& league)
    : store_(std::move(store)), slots_(league) {
  const std::vector<uint64_t> versions = store_.Versions();
  if (!versions.empty()) period_ = slots_.Period(versions.back());
}

void LeagueWriter::Offer(uint64_t version, std::span<const std::byte> weights) {
  const uint64_t period = slots_.Period(version);
  if (period_.has_value() && period <= *period_) return;
  period_ = period;
  if (const absl::Status status = store_.Write(version, weights); !status.ok()) {
    spdlog::warn("league: version {} is not kept: {}", version, std::string(status.message()));
  }
}

}  // namespace millrace
