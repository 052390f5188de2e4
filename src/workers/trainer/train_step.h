// One train step: algorithm and backend joined.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/algorithms/algorithm.h"
#include "millrace/backends/backend.h"
#include "workers/trainer/batch_memory.h"
#include "workers/trainer/minibatches.h"
#include "workers/trainer/sample_batch.h"

namespace millrace {

struct TrainReport {
  // loss/NAME, the mean over the batch's minibatches, and backend/NAME.
  std::map<std::string, double> metrics;
  int64_t optimizer_steps = 0;
  int64_t skipped_steps = 0;  // gradients that were not finite
};

// Targets, then epochs of minibatches: gather, forward, loss, backward, optimiser step. Bound to
// the trainer's thread.
class TrainStep {
 public:
  // sample_reuse: how many steps each batch takes part in. More than one: the newest batches are
  // trained as one set, with values of the present weights.
  TrainStep(Algorithm* algorithm, Backend* backend, uint64_t seed, int sample_reuse = 1)
      : algorithm_(algorithm), backend_(backend), seed_(seed), memory_(sample_reuse) {}

  // Takes the fields of `batch` if samples are used again. kUnavailable: a peer was lost; the batch
  // does not count. Exceptions of LibTorch and of user code become kInternal.
  absl::StatusOr<TrainReport> Run(SampleBatch& batch, double progress, Collectives& group);
  // Batches of the newest step.
  size_t batches() const { return memory_.capacity() > 1 ? memory_.size() : 1; }
  // All ranks of a group must have the same number of batches: one that begins anew has none.
  void Forget() { memory_.Clear(); }

 private:
  absl::StatusOr<TrainReport> RunOrThrow(SampleBatch& batch, double progress, Collectives& group);
  // What the step is trained on: [T, B, ...] tensors on the CPU, the rows of `batch` first.
  absl::StatusOr<TensorDict> SamplesWith(SampleBatch& batch, const TrainingPlan& plan);
  // By the backend's tensors and autograd, and by its fast path.
  absl::Status TrainTensors(const ItemView& items, uint64_t batch, const TrainingPlan& plan,
                            Collectives& group, TrainReport& report);
  absl::Status TrainRows(RowTrainer& trainer, const ItemView& items, uint64_t batch,
                         const TrainingPlan& plan, Collectives& group, TrainReport& report);
  absl::Status TrainMinibatch(const TensorDict& minibatch, const TrainingPlan& plan,
                              Collectives& group, TrainReport& report, bool& stop);

  // A sample counts once: by the first `new_rows` rows.
  absl::Status UpdateNormalizers(TensorDict samples, torch::Tensor value_targets, int64_t new_rows,
                                 Collectives& group);

  Algorithm* const algorithm_;
  Backend* const backend_;
  const uint64_t seed_;
  BatchMemory memory_;  // unused if samples are used once
  std::map<std::string, torch::Tensor> metric_sums_;
};

}  // namespace millrace
