#include "backends/nm_sparse/nm_sparse_backend.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/native/native_trainer.h"
#include "backends/nm_sparse/sparse_evaluator.h"
#include "millrace/core/status.h"

namespace millrace {

NmSparseBackend::NmSparseBackend(std::shared_ptr<BuiltinPolicy> policy,
                                 std::unique_ptr<FlatParameters> parameters,
                                 const AdamOptions& adam_options, const Sparsity& sparsity,
                                 int threads)
    : DenseBackend(policy, std::move(parameters), adam_options),
      form_(policy->spec(), sparsity),
      network_(std::make_shared<SparsePolicy>(
          policy->spec(), [&](const std::string& layer) { return sparsity.Of(layer); },
          sparsity.precision, threads)) {
  ComputeWith(MakeSparseEvaluator(policy, network_, this->parameters()),
              std::make_unique<NativeTrainer>(policy, network_, this->parameters(), adam(),
                                              kernels::BestKernels()));
  Choose();
}

absl::StatusOr<std::unique_ptr<NmSparseBackend>> NmSparseBackend::Create(
    std::shared_ptr<BuiltinPolicy> policy, const AdamOptions& adam, const Sparsity& sparsity,
    int threads) {
  MILLRACE_ASSIGN_OR_RETURN(auto parameters, FlatParameters::Create(policy));
  return std::unique_ptr<NmSparseBackend>(
      new NmSparseBackend(std::move(policy), std::move(parameters), adam, sparsity, threads));
}

void NmSparseBackend::Choose() {
  network_->ChooseNext();
  network_->TakeFlat(FloatsOf(parameters().trainable()));
}

absl::StatusOr<HeadOutputs> NmSparseBackend::Evaluate(const TensorDict& minibatch) {
  MILLRACE_ASSIGN_OR_RETURN(HeadOutputs heads, Forward(minibatch));
  for (torch::Tensor* head : {&heads.logits, &heads.mean, &heads.log_std, &heads.value}) {
    if (head->defined()) *head = head->detach();
  }
  return heads;
}

absl::StatusOr<StepReport> NmSparseBackend::Step(const OptimizerStep& step, Collectives& group) {
  MILLRACE_ASSIGN_OR_RETURN(const StepReport report, DenseBackend::Step(step, group));
  if (!report.skipped) network_->TakeFlat(FloatsOf(parameters().trainable()));
  return report;
}

void NmSparseBackend::Publish(std::span<std::byte> blob) {
  form_.Write(
      FloatsOf(parameters().weights()),
      [&](const std::string& layer) -> const sparse::PackedMatrix& {
        return network_->MatrixOf(layer);
      },
      blob);
}

absl::Status NmSparseBackend::LoadWeights(std::span<const std::byte> blob) {
  MILLRACE_RETURN_IF_ERROR(DenseBackend::LoadWeights(blob));
  Choose();
  return absl::OkStatus();
}

void NmSparseBackend::Rollback() {
  DenseBackend::Rollback();
  Choose();
}

absl::Status NmSparseBackend::Synchronize(Collectives& group, int root) {
  const absl::Status status = DenseBackend::Synchronize(group, root);
  Choose();
  return status;
}

absl::StatusOr<std::unique_ptr<Backend>> MakeNmSparseBackend(const Options& options,
                                                             std::shared_ptr<Policy> policy) {
  auto builtin = std::dynamic_pointer_cast<BuiltinPolicy>(std::move(policy));
  if (builtin == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("backend ", Sparsity::kBackend, ": expected a built-in model"));
  }
  const AdamOptions adam = ReadAdamOptions(options);
  MILLRACE_ASSIGN_OR_RETURN(const Sparsity sparsity,
                            Sparsity::FromOptions(options, builtin->spec()));
  MILLRACE_RETURN_IF_ERROR(options.Finish(absl::StrCat("backend ", Sparsity::kBackend)));
  MILLRACE_ASSIGN_OR_RETURN(auto backend, NmSparseBackend::Create(std::move(builtin), adam,
                                                                  sparsity, at::get_num_threads()));
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace millrace
