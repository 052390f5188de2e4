// The trainer backend of dense networks on LibTorch.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backends/dense/flat_adam.h"
#include "backends/dense/flat_parameters.h"
#include "backends/dense/head_evaluator.h"
#include "backends/dense/normalizers.h"
#include "backends/gradient_exchange.h"
#include "millrace/backends/backend.h"

namespace millrace {

// kInvalidArgument unless a state has a tensor of this name, shape and type.
absl::Status CheckState(const std::string& name, const torch::Tensor& expected,
                        const std::map<std::string, torch::Tensor>& state);

// Backend for any Policy. Parameters, gradients and moments are flat tensors. Every rank ends a
// step with the same bits: the gradient's norm is taken after the all-reduce, so a gradient that is
// not finite on one rank makes all of them skip.
class DenseBackend : public Backend {
 public:
  // What computes minibatches: kNative our own kernels where the policy is a built-in mlp or lstm
  // and the algorithm has a RowLoss; kAuto LibTorch, with the hand-written mlp where it can;
  // kAutograd LibTorch alone.
  enum class Evaluation { kNative, kAuto, kAutograd };

  static absl::StatusOr<std::unique_ptr<DenseBackend>> Create(
      std::shared_ptr<Policy> policy, const AdamOptions& adam,
      Evaluation evaluation = Evaluation::kAuto);

  torch::Device device() const override { return weights_.device(); }
  int64_t state_size() const override { return policy_->state_size(); }
  const ParameterLayout& layout() const override { return parameters_->layout(); }
  absl::StatusOr<HeadOutputs> Forward(const TensorDict& minibatch) override;
  absl::StatusOr<HeadOutputs> Evaluate(const TensorDict& minibatch) override;
  absl::Status Backward(const HeadOutputs& heads) override;
  absl::StatusOr<StepReport> Step(const OptimizerStep& step, Collectives& group) override;
  RowTrainer* row_trainer() override { return row_trainer_.get(); }
  absl::Status UpdateNormalizers(const TensorDict& batch, const torch::Tensor& value_targets,
                                 Collectives& group) override;
  torch::Tensor DenormalizeValue(const torch::Tensor& value) const override;
  torch::Tensor NormalizeValue(const torch::Tensor& value) const override;
  void Snapshot(std::span<std::byte> blob) const override;
  absl::Status LoadWeights(std::span<const std::byte> blob) override;
  // adam.mean, adam.variance [P], adam.step [1]; normalizer.{observation,value} float64 [1 + 2 F]:
  // count, mean, variance.
  std::map<std::string, torch::Tensor> OptimizerState() const override;
  absl::Status LoadOptimizerState(const std::map<std::string, torch::Tensor>& state) override;
  void Checkpoint() override;
  void Rollback() override;
  absl::Status Synchronize(Collectives& group, int root) override;

  void ConfigureExchange(const GradientExchangeOptions& options) { exchange_.Configure(options); }

  // For tests and diagnosis.
  FlatParameters& parameters() { return *parameters_; }

 protected:
  // Without anything that computes minibatches.
  DenseBackend(std::shared_ptr<Policy> policy, std::unique_ptr<FlatParameters> parameters,
               const AdamOptions& adam);
  // `row_trainer` may be null.
  void ComputeWith(std::unique_ptr<HeadEvaluator> evaluator,
                   std::unique_ptr<RowTrainer> row_trainer);
  // Replaces a rank's gradients by those that all ranks apply.
  virtual absl::Status CombineGradients(torch::Tensor& gradients, Collectives& group) {
    return exchange_.Mean(gradients, gradients.numel(), group);
  }
  FlatAdam& adam() { return adam_; }
  GradientExchange& exchange() { return exchange_; }
  // Makes a tensor part of the state that checkpoints, batches that go back, and groups keep. An
  // optional one that a checkpoint lacks, or has in another shape, stays as it is.
  void AddState(const std::string& name, const torch::Tensor& tensor, bool optional = true);

 private:
  const std::shared_ptr<Policy> policy_;
  const std::unique_ptr<FlatParameters> parameters_;
  FlatAdam adam_;
  GradientExchange exchange_;
  Normalizers normalizers_;
  std::unique_ptr<HeadEvaluator> evaluator_;
  std::unique_ptr<RowTrainer> row_trainer_;
  // Views of all that a step changes, by name: the flat weights and the optimiser state.
  torch::Tensor weights_;
  std::map<std::string, torch::Tensor> state_;
  std::set<std::string> optional_;  // of AddState()
  // Copies made by Checkpoint(): the weights, then the state in order.
  std::vector<torch::Tensor> saved_;
};

// Reads beta1 (0.9), beta2 (0.999) and weight_decay (0).
AdamOptions ReadAdamOptions(const Options& options);

// BackendFactories, with the options of Adam and of the exchange of gradients. The native one
// computes on LibTorch what it has no kernels for.
absl::StatusOr<std::unique_ptr<Backend>> MakeDenseBackend(const Options& options,
                                                          std::shared_ptr<Policy> policy);
absl::StatusOr<std::unique_ptr<Backend>> MakeNativeBackend(const Options& options,
                                                           std::shared_ptr<Policy> policy);

}  // namespace millrace
