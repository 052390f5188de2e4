// The trainer backend of models with embedding tables: Mudigere et al. 2021 (arXiv:2104.05158).
#pragma once

#include <memory>

#include "backends/dense/dense_backend.h"
#include "embedding/embedding_bags.h"
#include "embedding/jagged_rows.h"
#include "models/dlrm_policy.h"

namespace millrace {

struct TableSettings {
  embedding::RowType rows = embedding::RowType::kFloat32;
  bool stochastic_rounding = true;  // of rows of 16 bits
  // Steps on the rows of a minibatch: `step` without what changes from one to the next.
  embedding::UpdateStep step = {.learning_rate = 0.1F};

  // table_rows (float32 | float16 | bfloat16), rounding (stochastic | nearest), table_optimizer
  // (rowwise_adagrad | adagrad | sgd | rowwise_adam | adam), table_learning_rate, table_epsilon.
  static TableSettings FromOptions(const Options& options);
};

// The dense part is the dense backend's; a table for every feature is ours, with an optimiser of
// its own that steps on the rows of a minibatch alone. Gradients of both are clipped by the norm of
// those of the dense part. On the CPU.
class DlrmBackend : public DenseBackend {
 public:
  static absl::StatusOr<std::unique_ptr<DlrmBackend>> Create(std::shared_ptr<DlrmPolicy> policy,
                                                             const AdamOptions& adam,
                                                             const TableSettings& tables,
                                                             int threads);

  // kInvalidArgument names a feature with ids that there are not.
  absl::StatusOr<HeadOutputs> Forward(const TensorDict& minibatch) override;
  absl::StatusOr<HeadOutputs> Evaluate(const TensorDict& minibatch) override;
  absl::StatusOr<StepReport> Step(const OptimizerStep& step, Collectives& group) override;

  const embedding::EmbeddingBags& bags() const { return *bags_; }

 private:
  DlrmBackend(std::shared_ptr<DlrmPolicy> policy, std::unique_ptr<FlatParameters> parameters,
              const AdamOptions& adam, const TableSettings& tables,
              std::unique_ptr<embedding::EmbeddingBags> bags);

  // Rows and optimiser of the tables as tensors of the state that checkpoints have.
  void AddTables();
  // The minibatch with the bags of its samples, whose numbers are in bags_of_minibatch_.
  absl::StatusOr<TensorDict> WithBags(const TensorDict& minibatch);

  const std::shared_ptr<DlrmPolicy> policy_;
  const TableSettings tables_;
  const std::unique_ptr<embedding::EmbeddingBags> bags_;
  embedding::JaggedRows ids_;
  torch::Tensor steps_ = torch::zeros({1}, torch::kInt64);  // of the tables
  torch::Tensor bags_of_minibatch_;                         // [N, features, padded columns]: a leaf
};

// A BackendFactory, with the options of TableSettings and of Adam.
absl::StatusOr<std::unique_ptr<Backend>> MakeDlrmBackend(const Options& options,
                                                         std::shared_ptr<Policy> policy);
inline constexpr char kDlrmBackend[] = "dlrm";

}  // namespace millrace
