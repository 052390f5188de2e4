#include "backends/native/native_trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/activity.h"
#include "inference/normalization.h"
#include "millrace/core/status.h"

namespace millrace {
bool NativeTrainer::Trains(std::string_view model_type) {
  return model_type == "mlp" || model_type == "lstm";
}

NativeTrainer::NativeTrainer(std::shared_ptr<const BuiltinPolicy> policy,
                             std::shared_ptr<RowNetwork> network, FlatParameters& parameters,
                             FlatAdam& adam, GradientExchange& exchange,
                             const kernels::KernelSet& kernels)
    : policy_(std::move(policy)),
      flat_(parameters),
      adam_(adam),
      exchange_(exchange),
      kernels_(kernels),
      recurrent_(policy_->state_size() > 0),
      actor_reads_(EntityInputsOf(policy_->spec(), Network::kActor)),
      critic_reads_(EntityInputsOf(policy_->spec(), Network::kCritic)),
      same_input_(policy_->spec().one_trunk() ||
                  (actor_reads_.all_features() && critic_reads_.all_features())),
      choices_(policy_->spec().action.num_choices()),
      reals_(policy_->spec().action.continuous_size()),
      network_(std::move(network)) {
  for (AlignedFloats* buffer : {&parameters_, &mean_, &variance_, &gradients_}) {
    buffer->Reserve(static_cast<size_t>(network_->size()));
  }
}

absl::StatusOr<ItemColumn> NativeTrainer::MakeColumn(const TensorDict& items,
                                                     const std::string& name, bool chunks) const {
  const auto found = items.find(name);
  if (found == items.end()) return ItemColumn();
  const torch::Tensor& tensor = found->second;
  const int64_t steps = chunks ? actor_input_.steps() : 1;
  if (tensor.dim() >= (chunks ? 2 : 1)) {
    ItemColumn column(tensor, chunks);
    if (column.steps() == steps && column.items() == actor_input_.items()) return column;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "native backend: ", name, ": expected ", actor_input_.items(), " items of ", steps,
      " steps, got a tensor of shape [", absl::StrJoin(tensor.sizes(), ", "), "]"));
}

absl::Status NativeTrainer::MakeStateColumns(const TensorDict& items) {
  MILLRACE_ASSIGN_OR_RETURN(first_, MakeColumn(items, "first", /*chunks=*/true));
  MILLRACE_ASSIGN_OR_RETURN(state_, MakeColumn(items, "state", /*chunks=*/false));
  if (first_.present() && state_.present()) return absl::OkStatus();
  return absl::InvalidArgumentError("native backend: a recurrent policy needs first and state");
}

absl::Status NativeTrainer::Begin(const TensorDict& items, const RowLoss& loss) {
  const torch::NoGradGuard no_gradient;
  loss_ = &loss;
  const torch::Tensor features = policy_->Features(items);
  const auto input = [&](const EntityInputs& reads) {
    return ItemColumn(
        DenseModule::Input(reads, policy_->spec().observation.fields, items, features), recurrent_);
  };
  actor_input_ = input(actor_reads_);
  critic_input_ = same_input_ ? ItemColumn() : input(critic_reads_);
  columns_.clear();
  for (const std::string& name : loss.fields()) {
    MILLRACE_ASSIGN_OR_RETURN(columns_.emplace_back(), MakeColumn(items, name, recurrent_));
  }
  MILLRACE_ASSIGN_OR_RETURN(mask_, MakeColumn(items, ObservationField(kActionMask), recurrent_));
  if (recurrent_) MILLRACE_RETURN_IF_ERROR(MakeStateColumns(items));
  network_->Import(FloatsOf(flat_.trainable()), parameters_.data());
  network_->Import(FloatsOf(adam_.mean()), mean_.data());
  network_->Import(FloatsOf(adam_.variance()), variance_.data());
  steps_ = static_cast<int64_t>(adam_.step().item<float>());
  return absl::OkStatus();
}

NativeMinibatch NativeTrainer::Gather(std::span<const int64_t> items) {
  for (ItemColumn* column : {&actor_input_, &critic_input_, &mask_, &first_, &state_}) {
    column->Gather(items);
  }
  views_.clear();
  for (ItemColumn& column : columns_) {
    column.Gather(items);
    views_.push_back(column.view());
  }
  return {.steps = actor_input_.steps(),
          .chunks = static_cast<int64_t>(items.size()),
          .actor_input = actor_input_.data<float>(),
          .critic_input = (same_input_ ? actor_input_ : critic_input_).data<float>(),
          .first = first_.data<uint8_t>(),
          .state = state_.data<float>()};
}

void NativeTrainer::ApplyMask(float* policy, int64_t stride, int64_t rows, float value) {
  const uint8_t* mask = mask_.data<uint8_t>();
  if (mask == nullptr) return;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < choices_; ++i) {
      if (mask[row * choices_ + i] == 0) policy[row * stride + i] = value;
    }
  }
}

void NativeTrainer::ClearGradients(int64_t rows, const RowNetwork::Heads& heads) {
  policy_gradient_.Reserve(static_cast<size_t>(rows * heads.policy_stride));
  value_gradient_.Reserve(static_cast<size_t>(rows * heads.value_stride));
  const int64_t log_std = network_->log_std_offset();
  std::fill_n(gradients_.data() + log_std, network_->size() - log_std, 0.0F);
}

bool NativeTrainer::EvaluateLoss(const RowNetwork::Heads& heads, int64_t rows,
                                 std::span<double> metrics) {
  ApplyMask(heads.policy, heads.policy_stride, rows, kMaskedLogit);
  ClearGradients(rows, heads);
  const auto part = [](auto* begin, int64_t size) { return size > 0 ? begin : nullptr; };
  const float* log_std = parameters_.data() + network_->log_std_offset();
  const bool stop =
      loss_->Evaluate({.count = rows,
                       .logits = part(heads.policy, choices_),
                       .mean = part(heads.policy + choices_, reals_),
                       .log_std = part(log_std, reals_),
                       .value = heads.value,
                       .logits_stride = heads.policy_stride,
                       .mean_stride = heads.policy_stride,
                       .value_stride = heads.value_stride},
                      views_,
                      {.logits = part(policy_gradient_.data(), choices_),
                       .mean = part(policy_gradient_.data() + choices_, reals_),
                       .log_std = part(gradients_.data() + network_->log_std_offset(), reals_),
                       .value = value_gradient_.data()},
                      metrics);
  ApplyMask(policy_gradient_.data(), heads.policy_stride, rows, 0.0F);
  return stop;
}

absl::StatusOr<StepReport> NativeTrainer::Train(std::span<const int64_t> items,
                                                const OptimizerStep& step, Collectives& group,
                                                std::span<double> metrics) {
  const ActivityScope gather(Activity::kTrainGather);
  const NativeMinibatch batch = Gather(items);
  EnterActivity(Activity::kTrainForward);
  const RowNetwork::Heads heads = network_->Forward(parameters_.data(), batch);
  EnterActivity(Activity::kTrainLoss);
  StepReport report;
  report.stop_epochs = EvaluateLoss(heads, batch.rows(), metrics);
  EnterActivity(Activity::kTrainBackward);
  network_->Backward(parameters_.data(), batch, policy_gradient_.data(), value_gradient_.data(),
                     gradients_.data());
  if (group.size() > 1) {
    torch::Tensor flat = torch::from_blob(gradients_.data(), {network_->size()});
    MILLRACE_RETURN_IF_ERROR(exchange_.Mean(flat, flat_.trainable().numel(), group));
  }
  EnterActivity(Activity::kTrainOptimizer);
  Step(step, report);
  return report;
}

void NativeTrainer::Step(const OptimizerStep& step, StepReport& report) {
  const int64_t size = network_->size();
  report.gradient_norm = std::sqrt(kernels_.squared_norm(gradients_.data(), size));
  report.skipped = !std::isfinite(report.gradient_norm);
  if (report.skipped) return;
  ++steps_;
  const AdamOptions& options = adam_.options();
  const double correction1 = 1.0 - std::pow(options.beta1, static_cast<double>(steps_));
  const double correction2 = adam_.VarianceCorrection(steps_);
  network_->Step({.scale = static_cast<float>(step.GradientScale(report.gradient_norm)),
                  .weight_decay = static_cast<float>(options.weight_decay),
                  .beta1 = static_cast<float>(options.beta1),
                  .beta2 = adam_.frozen_at() > 0 ? 1.0F : static_cast<float>(options.beta2),
                  .step_size = static_cast<float>(step.learning_rate / correction1),
                  .inverse_sqrt_correction2 = static_cast<float>(1.0 / std::sqrt(correction2)),
                  .epsilon = static_cast<float>(step.epsilon)},
                 {gradients_.data(), parameters_.data(), mean_.data(), variance_.data()});
}

void NativeTrainer::End() {
  network_->Export(parameters_.data(), FloatsOf(flat_.trainable()));
  network_->Export(mean_.data(), FloatsOf(adam_.mean()));
  network_->Export(variance_.data(), FloatsOf(adam_.variance()));
  adam_.step().fill_(static_cast<float>(steps_));
  for (ItemColumn* column : {&actor_input_, &critic_input_, &mask_, &first_, &state_}) {
    *column = {};
  }
  columns_.clear();
}

}  // namespace millrace
