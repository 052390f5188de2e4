// The trainer backend of N:M-sparse networks: BDWP, Fang et al. 2023 (arXiv:2309.13015).
#pragma once

#include <memory>

#include "backends/dense/dense_backend.h"
#include "backends/nm_sparse/sparse_policy.h"
#include "inference/published_form.h"
#include "models/builtin_policy.h"

namespace millrace {

// A built-in mlp whose products are sparse (Sparsity) and whose gradients of the weights are dense:
// parameters, moments and checkpoints are those of the dense backend, so that either goes on from
// the other's. What acts, and what is published, are the weights chosen at the end of a batch,
// which stay chosen until the end of the next one.
class NmSparseBackend : public DenseBackend {
 public:
  // `threads` share the work.
  static absl::StatusOr<std::unique_ptr<NmSparseBackend>> Create(
      std::shared_ptr<BuiltinPolicy> policy, const AdamOptions& adam, const Sparsity& sparsity,
      int threads);

  absl::StatusOr<HeadOutputs> Evaluate(const TensorDict& minibatch) override;
  absl::StatusOr<StepReport> Step(const OptimizerStep& step, Collectives& group) override;
  void EndBatch() override { Choose(); }
  size_t published_bytes() const override { return form_.bytes(); }
  uint64_t published_hash() const override { return form_.hash(); }
  void Publish(std::span<std::byte> blob) override;
  absl::Status LoadWeights(std::span<const std::byte> blob) override;
  void Rollback() override;
  absl::Status Synchronize(Collectives& group, int root) override;

 private:
  NmSparseBackend(std::shared_ptr<BuiltinPolicy> policy, std::unique_ptr<FlatParameters> parameters,
                  const AdamOptions& adam, const Sparsity& sparsity, int threads);

  // Packs the parameters as they are, at newly chosen places.
  void Choose();

  const PublishedForm form_;
  const std::shared_ptr<SparsePolicy> network_;
};

// BackendFactory. Options: those of Sparsity::FromOptions() and of Adam. As many threads as
// LibTorch has.
absl::StatusOr<std::unique_ptr<Backend>> MakeNmSparseBackend(const Options& options,
                                                             std::shared_ptr<Policy> policy);

}  // namespace millrace
