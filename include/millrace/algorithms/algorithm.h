// A learning algorithm: which fields a sample must carry, targets, and a loss over head outputs. It
// never sees parameters, optimisers, streams or processes, so the same algorithm runs on every
// backend.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/config/options.h"
#include "millrace/data/schema.h"
#include "millrace/data/spaces.h"
#include "millrace/models/policy.h"
#include "millrace/models/row_loss.h"

namespace millrace {

// The fields of a batch, T = unroll, B = rows of all its segments, C = chunks of an unroll. The
// standard ones are in every segment of experience; an algorithm may ask for more (ExtraFields). A
// dataset's samples (millrace/data/dataset.h) have T = 1 and the dataset's own fields alone:
// observation/NAME and labels [1, B, ...].
//
// clang-format off
//   observation/NAME        [T+1, B, ...]            as the environment's spec says
//   action/discrete   int32 [T, B, num_discrete]     absent if there is none
//   action/continuous float32 [T, B, continuous_size]  not clipped to the box; absent if there is none
//   log_prob          float32 [T, B]                 of the action, under the behaviour policy
//   value             float32 [T+1, B]               by the behaviour policy, or by the present one if samples are used
//                                                    again (workers.trainer.sample_reuse); see ComputeTargets, Loss
//   reward            float32 [T, B]                 paid for the step t -> t+1
//   terminated        uint8 [T, B]                   the task's own end: what follows is worth 0
//   truncated         uint8 [T, B]                   cut off: what follows is worth truncation_value
//   truncation_value  float32 [T, B]                 of the last observation of an episode truncated at t, else 0
//   first             uint8 [T+1, B]                 the observation begins an episode
//   present           uint8 [T+1, B]                 the row has an agent; absent rows carry no loss
//   version           int64 [T, B]                   of the policy that chose the action
//   state             float32 [C, B, state_size]     recurrent models: before each chunk's first step
// clang-format on

// How one batch is turned into optimiser steps.
struct TrainingPlan {
  enum class Unit {
    kSteps,      // single steps, shuffled; heads [N, ...]
    kSequences,  // whole rows over all T+1 observations; heads [T+1, N, ...]
  };
  Unit unit = Unit::kSteps;  // recurrent models use chunks of `chunk` steps in place of steps
  int chunk = 16;            // recurrent models: steps per chunk; divides the unroll
  int epochs = 1;
  bool shuffle = true;  // items, anew in every epoch
  // Agent steps per optimiser step, over all ranks; 0: the whole batch. A batch is cut into equal
  // minibatches, as many as come closest to this size.
  int64_t minibatch_steps = 0;
  // What is wanted of a batch of so many steps.
  int64_t MinibatchOf(int64_t batch_steps) const {
    return minibatch_steps <= 0 ? batch_steps : std::min(minibatch_steps, batch_steps);
  }
  double learning_rate = 3e-4;
  double max_gradient_norm = 0.5;  // <= 0: no clipping
  double adam_epsilon = 1e-5;
  // Whether a loss may ever say stop_epochs: then ranks agree on it after every minibatch.
  bool may_stop_epochs = true;
};

struct LossResult {
  torch::Tensor loss;  // scalar: the mean over the present steps of this rank's minibatch
  // Scalars for `loss/*`, reported as their mean over the batch's optimiser steps.
  std::map<std::string, torch::Tensor> metrics;
  bool stop_epochs = false;  // e.g. the KL limit was passed: no further minibatches of this batch
};

// Bound to the trainer's main thread. May throw: the trainer worker turns exceptions into
// kInternal.
class Algorithm {
 public:
  virtual ~Algorithm() = default;

  // Learns from the samples of a dataset; others from experience.
  virtual bool supervised() const { return false; }

  // Sample fields beyond the standard ones: each must be a sample field registered with
  // Registry::AddSampleField, which the actors then compute, or a label of the dataset.
  virtual std::vector<std::string> ExtraFields() const { return {}; }

  // `progress`: the share of `stop.env_steps` that was trained so far, in [0, 1], for schedules;
  // always 0 if the run has no such limit.
  virtual TrainingPlan Plan(double progress) const = 0;

  // Adds targets to a batch of whole segments ([T, B] layout, see above), once per train step and
  // without gradient; if samples are used again, the batch is all segments of the step. `value` and
  // `truncation_value` are in reward units here. A tensor it adds is [T, B, ...]; minibatches carry
  // it like any other.
  virtual absl::Status ComputeTargets(TensorDict& batch) = 0;

  // Loss of one minibatch. kSteps: every tensor of the batch with its first T rows flattened and
  // indexed to [N, ...] (recurrent: chunks [L, N, ...]). kSequences: [T, N, ...] and [T+1, N, ...].
  // `heads` are leaves: only gradients with respect to them are used. `value` and the targets under
  // ValueTargetKey() are in the units of heads.value, which differ from reward units if the model
  // normalises values.
  virtual absl::StatusOr<LossResult> Loss(const HeadOutputs& heads,
                                          const TensorDict& minibatch) = 0;

  // Once a batch is trained, more numbers for `loss/*`: of what Loss() has seen of it, at this
  // rank.
  virtual std::map<std::string, double> TakeBatchMetrics() { return {}; }

  // The same loss over plain rows (kSteps only), if it has one: backends that can, use it instead
  // of Loss(). Lives as long as the algorithm. See millrace/models/row_loss.h.
  virtual const RowLoss* row_loss() const { return nullptr; }

  // The key under which ComputeTargets() puts the value targets, from which models that normalise
  // values keep their statistics. Empty: the loss computes its own, and such models are refused.
  virtual std::string ValueTargetKey() const { return "value_target"; }
};

using AlgorithmFactory = std::function<absl::StatusOr<std::unique_ptr<Algorithm>>(
    const Options& options, const ActionSpec& action)>;

}  // namespace millrace
