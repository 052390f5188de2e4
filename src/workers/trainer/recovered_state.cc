#include "workers/trainer/recovered_state.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace millrace {

ConsumerState RecoveredState(const Formation& formation,
                             const std::optional<Ledger::ConsumerHistory>& history,
                             const std::optional<PolicyPart>& checkpoint,
                             const std::optional<SegmentCount>& of_batch) {
  ConsumerState state{};
  const uint64_t batch = formation.winner.batch;
  if (history.has_value()) {
    const bool pending_counts = history->pending.has_value() && history->pending->batch == batch &&
                                formation.winner.has_parameters;
    state = pending_counts ? *history->pending : history->current;
  }
  SegmentCount kept = state.trained;
  if (!formation.winner.has_parameters && checkpoint.has_value() && of_batch.has_value()) {
    const uint64_t lost = state.batch > batch ? state.batch - batch : 0;
    const auto less = [lost](uint64_t all, uint64_t each) {
      return all > lost * each ? all - lost * each : 0;
    };
    kept = {less(kept.segments, of_batch->segments), less(kept.env_steps, of_batch->env_steps)};
  } else if (!formation.winner.has_parameters) {
    kept = checkpoint.has_value() ? checkpoint->trained : SegmentCount{};
  } else if (state.batch == batch + 1) {
    kept = {state.trained.segments - state.last_batch.segments,
            state.trained.env_steps - state.last_batch.env_steps};
  }
  // Trained once, but not part of the parameters that go on.
  if (kept.segments < state.trained.segments) {
    SegmentCount& lost = state.dropped[static_cast<size_t>(DropReason::kRolledBack)];
    lost.segments += state.trained.segments - kept.segments;
    lost.env_steps += state.trained.env_steps - kept.env_steps;
    spdlog::warn("{} trained segments rolled back", state.trained.segments - kept.segments);
    state.trained = kept;
  }
  state.last_batch = {};
  state.batch = batch;
  if (checkpoint.has_value()) {
    state.train_steps = std::max(state.train_steps, checkpoint->train_steps);
  }
  state.epoch = formation.epoch;
  state.policy_version = formation.version;
  return state;
}

}  // namespace millrace
