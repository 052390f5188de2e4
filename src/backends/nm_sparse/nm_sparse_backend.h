// The trainer backend of N:M-sparse networks: BDWP, Fang et al. 2023 (arXiv:2309.13015).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backends/dense/dense_backend.h"
#include "backends/nm_sparse/sparse_modules.h"
#include "inference/published_form.h"
#include "models/builtin_policy.h"

namespace millrace {

// A built-in model whose products are sparse (Sparsity) and whose gradients of the weights are
// dense: parameters, moments and checkpoints are those of the dense backend, so that either goes on
// from the other's; a checkpoint also says which weights are chosen. What acts, and what is
// published, are the weights chosen at the end of a batch or before, which stay chosen at least
// until the end of the next one unless every step chooses.
class NmSparseBackend : public DenseBackend {
 public:
  // `threads` share the work. On a GPU LibTorch computes, and products are masked; on the CPU they
  // are of our kernels unless `products` says otherwise.
  static absl::StatusOr<std::unique_ptr<NmSparseBackend>> Create(
      std::shared_ptr<BuiltinPolicy> policy, const AdamOptions& adam, const Sparsity& sparsity,
      int threads, ModuleProducts products = ModuleProducts::kKernels);

  absl::StatusOr<HeadOutputs> Evaluate(const TensorDict& minibatch) override;
  absl::StatusOr<StepReport> Step(const OptimizerStep& step, Collectives& group) override;
  // dense: 1 while all weights take part; of the last choice of weights: flip_rate and
  // backward_flip_rate, the share of the weights that took part after it or before, but not
  // both (Hu et al. 2024, arXiv:2404.01847); sad, the number of those of the forward product (Zhou
  // et al. 2021); refresh_kl, the divergence of the policy before from that after, but not if
  // every step chooses.
  absl::StatusOr<std::map<std::string, double>> EndBatch(const BatchEnd& batch) override;
  size_t published_bytes() const override { return form_.bytes(); }
  uint64_t published_hash() const override { return form_.hash(); }
  void Publish(std::span<std::byte> blob) override;
  // Chooses weights; LoadOptimizerState() goes back to those of a checkpoint that has them, and if
  // they are to stay chosen (Refresh::kNever) it sets all others to zero.
  absl::Status LoadWeights(std::span<const std::byte> blob) override;
  absl::Status LoadOptimizerState(const std::map<std::string, torch::Tensor>& state) override;
  void Rollback() override;
  absl::Status Synchronize(Collectives& group, int root) override;

 private:
  NmSparseBackend(std::shared_ptr<BuiltinPolicy> policy, std::unique_ptr<FlatParameters> parameters,
                  const AdamOptions& adam, const Sparsity& sparsity, int threads,
                  ModuleProducts products);

  // Whether no layer is LibTorch's.
  bool computes_all() const {
    return policy_->spec().type == "mlp" && products_ == ModuleProducts::kKernels;
  }
  // What it takes to compute minibatches.
  std::shared_ptr<SparseNetwork> MakeNetwork(const Sparsity& sparsity, int threads);
  // The numbers of a float32 tensor, until the next call.
  std::span<const float> OnCpu(const torch::Tensor& tensor);
  // As a run begins.
  void Begin();
  void SetProgress(double progress);
  // Packs the parameters as they are, at newly chosen places.
  void Choose();
  // Sets weights that do not take part to zero if they are never to be chosen; whether they are.
  bool ClearLeftOut();
  // The places and the schedule to, and from, the state. kDataLoss if that cannot have been
  // written.
  void WriteState();
  absl::Status ReadState();

  // What the places are of.
  int64_t PatternsKey() const;
  std::span<std::byte> places();
  // Against places at the end of the batch before.
  void CountFlips(std::span<const std::byte> before);

  const Sparsity sparsity_;
  const ModuleProducts products_;
  const std::shared_ptr<BuiltinPolicy> policy_;
  const PublishedForm form_;
  const std::shared_ptr<SparseNetwork> network_;
  PublishedLayers others_;                 // that are packed to be published, and not here
  std::map<std::string, double> numbers_;  // of EndBatch()
  torch::Tensor on_cpu_;                   // OnCpu()
  torch::Tensor places_;                   // uint8: SparseNetwork::WritePlaces()
  double progress_ = 0;                    // of the last batch
  // int64 [5]: PatternsKey(), dense, since_choice, frozen_at, the bits of progress_
  torch::Tensor schedule_;
};

// BackendFactory. Options: those of Sparsity::FromOptions(), of Adam and of
// GradientExchangeOptions. As many threads as
// LibTorch has.
absl::StatusOr<std::unique_ptr<Backend>> MakeNmSparseBackend(const Options& options,
                                                             std::shared_ptr<Policy> policy);

}  // namespace millrace
