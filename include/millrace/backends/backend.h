// How one training step is computed and applied. A backend owns parameters, forward, backward from
// head gradients, optimiser and checkpoint tensors; the trainer worker joins it with an Algorithm.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/config/options.h"
#include "millrace/models/policy.h"
#include "millrace/models/row_loss.h"

namespace millrace {

// Collective operations of one trainer group; one rank on its own is the identity. Every rank makes
// the same calls in the same order. kUnavailable: a peer is lost, the group is finished.
class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual absl::Status AllReduceMean(torch::Tensor& flat) = 0;  // in place
  virtual absl::Status AllReduceSum(torch::Tensor& flat) = 0;
  // `all` [size, ...]: what each rank has, which is as large on all of them, in order.
  virtual absl::Status AllGather(const torch::Tensor& own, torch::Tensor& all) = 0;
  // Sends to[r] to rank r and receives from[r] of it, which has as many bytes as what it sends. On
  // the CPU, contiguous.
  virtual absl::Status AllToAll(const std::vector<torch::Tensor>& to,
                                std::vector<torch::Tensor>& from) = 0;
  virtual absl::Status Broadcast(torch::Tensor& flat, int root) = 0;
  virtual absl::Status Barrier() = 0;
};

struct OptimizerStep {
  double learning_rate = 3e-4;
  double max_gradient_norm = 0.5;
  double epsilon = 1e-5;

  // What gradients of this norm are multiplied by: at most 1, as torch::nn::utils::clip_grad_norm_.
  double GradientScale(double gradient_norm) const {
    const bool clip = max_gradient_norm > 0 && gradient_norm > max_gradient_norm;
    return clip ? max_gradient_norm / (gradient_norm + 1e-6) : 1.0;
  }
};

struct StepReport {
  double gradient_norm = 0;
  bool skipped = false;      // a gradient was not finite: nothing was applied, on any rank
  bool stop_epochs = false;  // RowTrainer: the loss wants no further minibatches of this batch
};

// A batch whose steps are done.
struct BatchEnd {
  // As the batch's Algorithm::Plan() had it.
  double progress = 0;
  // Some of its steps, as of Evaluate(), evenly spaced: about `steps` of them, fewer if there are
  // no more. Valid during the call.
  std::function<TensorDict(int64_t steps)> sample;
};

// Trains minibatches of single steps, or of chunks of a recurrent policy, without LibTorch: a
// backend's fast path, for algorithms with a RowLoss. Between Begin() and End() it holds parameters
// and optimiser state; without End() the backend has them as they were. Bound to the trainer's
// thread.
class RowTrainer {
 public:
  virtual ~RowTrainer() = default;
  // `items`: a batch of N items, single steps or, of a recurrent policy, chunks of L consecutive
  // steps; it and `loss` outlive End(). Every tensor [N, ...], or [L, N, ...] with `state`
  // [N, state_size] before each chunk's first step and `first` [L, N] where the state restarts from
  // zero; gradients flow neither through a restart nor beyond a chunk. kInvalidArgument if a
  // tensor's leading sizes are others.
  virtual absl::Status Begin(const TensorDict& items, const RowLoss& loss) = 0;
  // Forward, loss, backward and one optimiser step (Backend::Step) on the given items of the batch.
  // `metrics`: as many as the loss has.
  virtual absl::StatusOr<StepReport> Train(std::span<const int64_t> items,
                                           const OptimizerStep& step, Collectives& group,
                                           std::span<double> metrics) = 0;
  virtual void End() = 0;
};

// Bound to the trainer's thread; Snapshot() may be called from another thread between steps only.
class Backend {
 public:
  virtual ~Backend() = default;
  // Where the parameters are and minibatches are expected; the module was there at construction.
  virtual torch::Device device() const { return torch::kCPU; }
  virtual int64_t state_size() const = 0;
  virtual const ParameterLayout& layout() const = 0;

  // Called before all that follows: this process is `rank` of a group of `ranks` trainers. A
  // backend may keep a part of its state on each of them. kResourceExhausted, kInvalidArgument.
  virtual absl::Status Shard(int /*rank*/, int /*ranks*/) { return absl::OkStatus(); }
  // Whether it does. What a lost rank had is then lost, Rollback() does not bring back steps of a
  // group, and all ranks make the same calls.
  virtual bool sharded() const { return false; }
  // Brings rank 0 what the others have, for its OptimizerState() until the next step.
  virtual absl::Status Gather(Collectives& /*group*/) { return absl::OkStatus(); }

  // Heads of a minibatch as leaves that require gradient (see Policy::Forward for the shapes).
  virtual absl::StatusOr<HeadOutputs> Forward(const TensorDict& minibatch) = 0;
  // Heads without gradient, of a recurrent policy with the state after the last step: present
  // values for samples of older weights (workers.trainer.sample_reuse). `minibatch` has what an
  // acting policy sees: the observation, and of a recurrent one `first` [L, N] and `state` [N,
  // state_size].
  virtual absl::StatusOr<HeadOutputs> Evaluate(const TensorDict& minibatch) = 0;
  // Gradients of the parameters from the `.grad()` of the heads that Forward() returned last.
  virtual absl::Status Backward(const HeadOutputs& heads) = 0;
  // Mean over the group, clip by global norm, one Adam update.
  virtual absl::StatusOr<StepReport> Step(const OptimizerStep& step, Collectives& group) = 0;

  // Null if it has no fast path for this policy.
  virtual RowTrainer* row_trainer() { return nullptr; }

  // Running statistics of observations [N, F...] and value targets [N], summed over the group;
  // models without normalisers ignore them.
  virtual absl::Status UpdateNormalizers(const TensorDict& batch,
                                         const torch::Tensor& value_targets,
                                         Collectives& group) = 0;
  // Value outputs in reward units, and targets in the value head's units.
  virtual torch::Tensor DenormalizeValue(const torch::Tensor& value) const = 0;
  virtual torch::Tensor NormalizeValue(const torch::Tensor& value) const = 0;

  // All steps of a batch are done, and UpdateNormalizers(): before its weights are published. Not
  // after an error. Returns numbers for `backend/*` of the metrics, by name.
  virtual absl::StatusOr<std::map<std::string, double>> EndBatch(const BatchEnd& /*batch*/) {
    return std::map<std::string, double>();
  }

  // The weight blob (layout().bytes()).
  virtual void Snapshot(std::span<std::byte> blob) const = 0;
  // What actors and policy workers load (InferenceModel::Load()), its size and what both ends must
  // agree on: the weight blob, unless the backend's own models act on another form.
  virtual size_t published_bytes() const { return layout().bytes(); }
  virtual uint64_t published_hash() const { return layout().hash(); }
  virtual void Publish(std::span<std::byte> blob) { Snapshot(blob); }
  // Replaces parameters and normalisers.
  virtual absl::Status LoadWeights(std::span<const std::byte> blob) = 0;

  // Everything but the weights that the next step depends on (moments, step count, normaliser
  // counts), as copies by name for optimizer.safetensors; Load refuses missing names and wrong
  // shapes.
  virtual std::map<std::string, torch::Tensor> OptimizerState() const = 0;
  virtual absl::Status LoadOptimizerState(const std::map<std::string, torch::Tensor>& state) = 0;

  // Keeps, and goes back to, the state at the start of a batch (a batch is trained as a whole or
  // not at all).
  virtual void Checkpoint() = 0;
  virtual void Rollback() = 0;
  // Takes weights and optimiser state from rank `root`. The group is that of all calls until the
  // next Synchronize().
  virtual absl::Status Synchronize(Collectives& group, int root) = 0;
};

using BackendFactory = std::function<absl::StatusOr<std::unique_ptr<Backend>>(
    const Options& options, std::shared_ptr<Policy> policy)>;

}  // namespace millrace
