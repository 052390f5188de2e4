#include "workers/trainer/credit_plan.h"

#include <spdlog/spdlog.h>

#include "config/limits.h"
#include "data/ledger.h"

namespace millrace {
namespace {

static_assert(kMaxLanes <= kMaxLedgerLanes);  // of what an experiment may have

// A rank has the same part of every minibatch, so that those are the same however many ranks there
// are; or, if they cannot be cut between segments, of the batch.
int64_t SlotsInARow(const CreditPlan& plan, int64_t segment_steps, int64_t minibatch_steps) {
  const int64_t minibatch = minibatch_steps / segment_steps;
  const bool whole = minibatch_steps % segment_steps == 0 && minibatch % plan.ranks == 0 &&
                     plan.segments_per_batch % minibatch == 0;
  if (!whole && plan.ranks > 1) {
    spdlog::info(
        "minibatches are not those of one trainer: for that, each must have a multiple of {} "
        "segments (workers.reader.segment_samples)",
        plan.ranks);
  }
  return (whole ? minibatch : plan.segments_per_batch) / plan.ranks;
}

}  // namespace

CreditPlan MakeCreditPlan(const ExperimentConfig& config, int64_t segment_steps,
                          int64_t minibatch_steps) {
  CreditPlan plan;
  plan.segments_per_batch = config.trainer.batch_env_steps / segment_steps;
  plan.ranks = config.trainer.count;
  plan.max_policy_lag = config.batches_under_way() - 1;
  if (config.reads_dataset()) {
    plan.slots = true;
    plan.slots_in_a_row = SlotsInARow(plan, segment_steps, minibatch_steps);
  } else if (config.deterministic) {
    plan.fixed_producers = config.actor.count;
    plan.groups_per_producer = config.actor.groups;
  }
  if (config.stop.env_steps.has_value()) {
    const uint64_t per_batch = static_cast<uint64_t>(config.trainer.batch_env_steps);
    plan.last_batch = (*config.stop.env_steps + per_batch - 1) / per_batch - 1;
  }
  return plan;
}

}  // namespace millrace
