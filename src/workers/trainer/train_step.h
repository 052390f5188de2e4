// One batch: algorithm and backend joined.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/algorithms/algorithm.h"
#include "millrace/backends/backend.h"
#include "workers/trainer/minibatches.h"
#include "workers/trainer/sample_batch.h"

namespace millrace {

struct TrainReport {
  std::map<std::string, double> metrics;  // mean over the batch's minibatches, for `loss/*`
  int64_t optimizer_steps = 0;
  int64_t skipped_steps = 0;  // gradients that were not finite
};

// Targets, then epochs of minibatches: gather, forward, loss, backward, optimiser step. Bound to
// the trainer's thread.
class TrainStep {
 public:
  TrainStep(Algorithm* algorithm, Backend* backend, uint64_t seed)
      : algorithm_(algorithm), backend_(backend), seed_(seed) {}

  // kUnavailable: a peer was lost; the batch does not count. Exceptions of LibTorch and of user
  // code become kInternal.
  absl::StatusOr<TrainReport> Run(const SampleBatch& batch, double progress, Collectives& group);

 private:
  absl::StatusOr<TrainReport> RunOrThrow(const SampleBatch& batch, double progress,
                                         Collectives& group);
  // By the backend's tensors and autograd, and by its fast path.
  absl::Status TrainTensors(const ItemView& items, uint64_t batch, const TrainingPlan& plan,
                            Collectives& group, TrainReport& report);
  absl::Status TrainRows(RowTrainer& trainer, const ItemView& items, uint64_t batch,
                         const TrainingPlan& plan, Collectives& group, TrainReport& report);
  absl::Status TrainMinibatch(const TensorDict& minibatch, const TrainingPlan& plan,
                              Collectives& group, TrainReport& report, bool& stop);

  Algorithm* const algorithm_;
  Backend* const backend_;
  const uint64_t seed_;
  std::map<std::string, torch::Tensor> metric_sums_;
};

}  // namespace millrace
