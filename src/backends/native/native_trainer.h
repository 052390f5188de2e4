// Minibatches of the built-in mlp and lstm without LibTorch: gather, forward, loss, backward and
// Adam in our own kernels. At 64 x 64 units LibTorch spends most of a minibatch on dispatch, and in
// a recurrent cell so once a step.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "backends/dense/flat_adam.h"
#include "backends/dense/flat_parameters.h"
#include "backends/gradient_exchange.h"
#include "backends/native/item_column.h"
#include "backends/native/native_minibatch.h"
#include "backends/native/row_network.h"
#include "inference/entity_inputs.h"
#include "kernels/aligned_buffer.h"
#include "kernels/kernels.h"
#include "millrace/backends/backend.h"
#include "models/builtin_policy.h"

namespace millrace {

// Gradients equal those of autograd but for the order of sums, if the network's do. Between Begin()
// and End() the parameters and the moments of `adam` are held in the network's order.
class NativeTrainer final : public RowTrainer {
 public:
  // Whether it trains models of this type.
  static bool Trains(std::string_view model_type);

  // The references are kept. `policy` is of a type that it trains, `network` computes it.
  NativeTrainer(std::shared_ptr<const BuiltinPolicy> policy, std::shared_ptr<RowNetwork> network,
                FlatParameters& parameters, FlatAdam& adam, GradientExchange& exchange,
                const kernels::KernelSet& kernels);

  absl::Status Begin(const TensorDict& items, const RowLoss& loss) override;
  absl::StatusOr<StepReport> Train(std::span<const int64_t> items, const OptimizerStep& step,
                                   Collectives& group, std::span<double> metrics) override;
  void End() override;

 private:
  // An empty one if there is no such field. `chunks`: as of ItemColumn.
  absl::StatusOr<ItemColumn> MakeColumn(const TensorDict& items, const std::string& name,
                                        bool chunks) const;
  absl::Status MakeStateColumns(const TensorDict& items);
  NativeMinibatch Gather(std::span<const int64_t> items);
  // Loss and gradients of the heads; whether the loss wants no further minibatches.
  bool EvaluateLoss(const RowNetwork::Heads& heads, int64_t rows, std::span<double> metrics);
  // Sets masked logits to -1e9, or their gradients to 0. policy [rows, stride].
  void ApplyMask(float* policy, int64_t stride, int64_t rows, float value);
  void ClearGradients(int64_t rows, const RowNetwork::Heads& heads);
  // One optimiser step, unless a gradient is not finite.
  void Step(const OptimizerStep& step, StepReport& report);

  const std::shared_ptr<const BuiltinPolicy> policy_;
  FlatParameters& flat_;
  FlatAdam& adam_;
  GradientExchange& exchange_;
  const kernels::KernelSet& kernels_;
  const bool recurrent_;
  const EntityInputs actor_reads_, critic_reads_;
  const bool same_input_;  // of actor and critic
  const int64_t choices_, reals_;
  const std::shared_ptr<RowNetwork> network_;

  const RowLoss* loss_ = nullptr;
  ItemColumn actor_input_, critic_input_, mask_;  // critic_input_: absent if it is the actor's
  ItemColumn first_, state_;                      // of recurrent policies
  std::vector<ItemColumn> columns_;               // as RowLoss::fields()
  std::vector<TensorView> views_;                 // of what was gathered of them
  AlignedFloats parameters_, mean_, variance_, gradients_;
  AlignedFloats policy_gradient_, value_gradient_;
  int64_t steps_ = 0;
};

}  // namespace millrace
