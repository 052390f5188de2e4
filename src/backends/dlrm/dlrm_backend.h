// The trainer backend of models with embedding tables: Mudigere et al. 2021 (arXiv:2104.05158).
#pragma once

#include <memory>

#include "backends/dense/dense_backend.h"
#include "backends/dlrm/slices.h"
#include "backends/dlrm/table_sharding.h"
#include "backends/dlrm/table_state.h"
#include "embedding/jagged_rows.h"
#include "embedding/sharded_bags.h"
#include "models/table_policy.h"

namespace millrace {

struct TableSettings {
  Sharding sharding = Sharding::kTableWise;
  // In place of `sharding`, if there is one (ReadTablePlan); one process by itself needs none.
  std::string plan_file = {};
  // As bags and gradients travel between ranks.
  embedding::WireType bags = embedding::WireType::kFloat32;
  embedding::WireType gradients = embedding::WireType::kFloat32;
  // Above 0: a minibatch is computed in so many slices of the same size, which makes results
  // independent of the number of ranks (SlicedEvaluator).
  int64_t slices = 0;
  embedding::RowType rows = embedding::RowType::kFloat32;
  bool stochastic_rounding = true;  // of rows of 16 bits
  // Steps on the rows of a minibatch: `step` without what changes from one to the next.
  embedding::UpdateStep step = {.learning_rate = 0.1F};

  // slices, sharding (kShardings) or plan_file, exchange (float32 | float16 | int8), table_rows
  // (float32 | float16 | bfloat16), rounding (stochastic | nearest), table_optimizer
  // (rowwise_adagrad | adagrad | sgd | rowwise_adam | adam), table_learning_rate, table_epsilon.
  static TableSettings FromOptions(const Options& options);
};

// The dense part is the dense backend's; the tables of a model's features are ours, with an
// optimiser of their own that steps on the rows of a minibatch alone. Gradients of both are clipped
// by the norm of those of the dense part. The ranks of a group share the tables. Of a model that
// acts, rows are weights, too: those that changed are copied there at the end of every batch. On
// the CPU.
class DlrmBackend : public DenseBackend {
 public:
  static absl::StatusOr<std::unique_ptr<DlrmBackend>> Create(std::shared_ptr<TablePolicy> policy,
                                                             const AdamOptions& adam,
                                                             const TableSettings& tables,
                                                             int threads);

  // Of the whole group: tables, and what looks them up.
  std::vector<embedding::TableOptions> tables() const;
  std::vector<embedding::Feature> features() const;
  TablePolicy& policy() { return *policy_; }
  const TableSettings& settings() const { return tables_; }

  // kInvalidArgument: a plan_file that is not for these tables and ranks; several
  // ranks of a model that acts.
  absl::Status Shard(int rank, int ranks) override;
  bool sharded() const override { return bags_ != nullptr && bags_->options().ranks > 1; }
  absl::Status Gather(Collectives& group) override;
  // kInvalidArgument names a feature with ids that there are not.
  absl::StatusOr<HeadOutputs> Forward(const TensorDict& minibatch) override;
  absl::StatusOr<HeadOutputs> Evaluate(const TensorDict& minibatch) override;
  absl::StatusOr<StepReport> Step(const OptimizerStep& step, Collectives& group) override;
  // With whole tables: at a group's rank 0 after Gather(), and of a process by itself. Else the
  // shards that are not here are anything, as LoadOptimizerState() does not mind.
  std::map<std::string, torch::Tensor> OptimizerState() const override;
  absl::Status LoadOptimizerState(const std::map<std::string, torch::Tensor>& state) override;
  absl::StatusOr<std::map<std::string, double>> EndBatch(const BatchEnd& batch) override;
  void Checkpoint() override;
  void Rollback() override;
  // kAborted if the ranks have tables of different steps.
  absl::Status Synchronize(Collectives& group, int root) override;

 private:
  absl::Status CombineGradients(torch::Tensor& gradients, Collectives& group) override;
  DlrmBackend(std::shared_ptr<TablePolicy> policy, std::unique_ptr<FlatParameters> parameters,
              const AdamOptions& adam, const TableSettings& tables, int threads);

  // The minibatch with the bags of its samples, whose numbers are in bags_of_minibatch_.
  absl::StatusOr<TensorDict> WithBags(const TensorDict& minibatch);
  embedding::UpdateStep NextStep();
  // Whether rows are weights.
  bool acts() const { return policy_->rows(0).defined(); }
  // Of a model that acts.
  void CopyAllRowsToWeights();
  void CopyChangedRowsToWeights();
  void NoteRowsOfMinibatch();

  const std::shared_ptr<TablePolicy> policy_;
  const TableSettings tables_;
  const int threads_;
  std::unique_ptr<embedding::ShardedBags> bags_;
  SlicedEvaluator* sliced_ = nullptr;  // the evaluator, if there are slices
  const std::unique_ptr<Collectives> alone_;
  Collectives* group_;  // of Synchronize()
  embedding::JaggedRows ids_;
  torch::Tensor steps_ = torch::zeros({1}, torch::kInt64);  // of the tables
  torch::Tensor bags_of_minibatch_;                         // [N, features, padded columns]: a leaf
  // Of a model that acts: rows of each table that may have changed since they were copied, and
  // whether a row is among them.
  std::vector<std::vector<int64_t>> changed_rows_;
  std::vector<std::vector<bool>> changed_;
  TableState saved_, gathered_;
};

// A BackendFactory, with the options of TableSettings and of Adam.
absl::StatusOr<std::unique_ptr<Backend>> MakeDlrmBackend(const Options& options,
                                                         std::shared_ptr<Policy> policy);
inline constexpr char kDlrmBackend[] = "dlrm";

}  // namespace millrace
