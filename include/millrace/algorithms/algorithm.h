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

namespace millrace {

// The fields every segment has, T = unroll, B = rows of the batch. Their tensors are in the batch
// under these names.
//   observation/NAME  [T+1, B, ...]
//   action/discrete   int32 [T, B, num_discrete]; action/continuous float32 [T, B, continuous_size]
//   log_prob          float32 [T, B]   of the behaviour policy
//   value             float32 [T+1, B] of the behaviour policy, in reward units
//   reward            float32 [T, B]   paid for the step t -> t+1
//   terminated, truncated  uint8 [T, B]
//   truncation_value  float32 [T, B]   value of the last observation of an episode truncated at t,
//   else 0 first             uint8 [T+1, B]   the observation begins an episode present uint8 [T+1,
//   B]   the row has an agent; absent rows carry no loss version           int64 [T]        policy
//   version per segment step: [T, S] in a batch of S segments state             float32 [C, B,
//   state_size]  recurrent models: state at each chunk's first step

// How one batch is turned into optimiser steps.
struct TrainingPlan {
  enum class Unit {
    kSteps,      // single steps, shuffled; heads [N, ...]
    kSequences,  // whole rows over all T+1 observations; heads [T+1, N, ...]
  };
  Unit unit = Unit::kSteps;  // recurrent models use chunks of `chunk` steps in place of steps
  int chunk = 16;            // recurrent models: steps per chunk; divides the unroll
  int epochs = 1;
  int64_t minibatch_steps =
      0;  // agent steps per optimiser step over all ranks; 0 = the whole batch
  double learning_rate = 3e-4;
  double max_gradient_norm = 0.5;  // <= 0: no clipping
  double adam_epsilon = 1e-5;
};

struct LossResult {
  torch::Tensor loss;                            // scalar; the mean over present steps
  std::map<std::string, torch::Tensor> metrics;  // scalars, for `loss/*`; read after the epoch
  bool stop_epochs = false;  // e.g. the KL limit was passed: no further minibatches of this batch
};

// Thread-compatible; bound to the trainer's thread. May throw: the trainer worker turns exceptions
// into kInternal.
class Algorithm {
 public:
  virtual ~Algorithm() = default;

  // Sample fields beyond the standard ones: each must be a sample field registered with
  // Registry::AddSampleField, which the actors then compute.
  virtual std::vector<std::string> ExtraFields() const { return {}; }

  // `progress`: the share of the run's environment steps done so far, in [0, 1], for schedules.
  virtual TrainingPlan Plan(double progress) const = 0;

  // Adds targets to a batch of whole segments ([T, B] layout, see above), once per batch and
  // without gradient. A tensor it adds is [T, B, ...]; minibatches carry it like any other.
  virtual absl::Status ComputeTargets(TensorDict& batch) = 0;

  // Loss of one minibatch. kSteps: every tensor of the batch with its first T rows flattened and
  // indexed to [N, ...] (recurrent: chunks [L, N, ...]). kSequences: [T, N, ...] and [T+1, N, ...].
  // `heads` are leaves: only gradients with respect to them are used.
  virtual absl::StatusOr<LossResult> Loss(const HeadOutputs& heads,
                                          const TensorDict& minibatch) = 0;

  // Running statistics of value targets for models that normalise values; the batch key that holds
  // them.
  virtual std::string ValueTargetKey() const { return "value_target"; }
};

using AlgorithmFactory = std::function<absl::StatusOr<std::unique_ptr<Algorithm>>(
    const Options& options, const ActionSpec& action)>;

}  // namespace millrace
