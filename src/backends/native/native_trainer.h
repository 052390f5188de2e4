// Minibatches of the built-in mlp without LibTorch: gather, forward, loss, backward and Adam in our
// own kernels. At 64 x 64 units LibTorch spends most of a minibatch on dispatch.
#pragma once

#include <memory>
#include <vector>

#include "backends/dense/flat_adam.h"
#include "backends/dense/flat_parameters.h"
#include "backends/native/native_mlp.h"
#include "millrace/backends/backend.h"
#include "models/builtin_policy.h"

namespace millrace {

// Gradients equal those of autograd but for the order of sums. Between Begin() and End() the
// parameters and the moments of `adam` are held in the native layout.
class NativeTrainer final : public RowTrainer {
 public:
  // The references are kept. `policy` is of type mlp.
  NativeTrainer(std::shared_ptr<const BuiltinPolicy> policy, FlatParameters& parameters,
                FlatAdam& adam, const kernels::KernelSet& kernels);

  absl::Status Begin(const TensorDict& items, const RowLoss& loss) override;
  absl::StatusOr<StepReport> Train(std::span<const int64_t> rows, const OptimizerStep& step,
                                   Collectives& group, std::span<double> metrics) override;
  void End() override;

 private:
  // One tensor of the batch and its share of a minibatch.
  struct Column {
    const std::byte* source = nullptr;  // null: the batch has no such field
    size_t row_bytes = 0;
    std::vector<int64_t> shape;  // of the minibatch
    std::vector<std::byte> gathered;
    DType dtype = DType::kFloat32;
  };

  absl::StatusOr<Column> MakeColumn(const TensorDict& items, const std::string& name);
  static void Gather(Column& column, std::span<const int64_t> rows);
  // Sets masked logits to -1e9, or their gradients to 0. policy [rows, stride].
  void ApplyMask(float* policy, int64_t stride, int64_t rows, float value) const;
  void ClearGradients(int64_t rows, const NativeMlp::Heads& heads);

  const std::shared_ptr<const BuiltinPolicy> policy_;
  FlatParameters& flat_;
  FlatAdam& adam_;
  const kernels::KernelSet& kernels_;
  const int64_t choices_, reals_;
  NativeMlp mlp_;

  torch::Tensor features_;           // [N, F]
  std::vector<torch::Tensor> keep_;  // contiguous tensors that columns point into
  const RowLoss* loss_ = nullptr;
  std::vector<Column> columns_;  // as RowLoss::fields()
  Column minibatch_features_, mask_;
  std::vector<TensorView> views_;
  AlignedFloats parameters_, mean_, variance_, gradients_;
  AlignedFloats policy_gradient_, value_gradient_;
  int64_t steps_ = 0;
};

}  // namespace millrace
