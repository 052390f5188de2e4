#include "backends/native/native_trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/activity.h"
#include "inference/normalization.h"
#include "millrace/core/status.h"
#include "models/torch_dtype.h"

namespace millrace {
namespace {

template <size_t kBytes>
void GatherRows(const std::byte* source, std::span<const int64_t> rows, std::byte* to) {
  for (int64_t row : rows) {
    std::memcpy(to, source + static_cast<size_t>(row) * kBytes, kBytes);
    to += kBytes;
  }
}

std::span<float> Floats(torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

}  // namespace

NativeTrainer::NativeTrainer(std::shared_ptr<const BuiltinPolicy> policy,
                             FlatParameters& parameters, FlatAdam& adam,
                             const kernels::KernelSet& kernels)
    : policy_(std::move(policy)),
      flat_(parameters),
      adam_(adam),
      kernels_(kernels),
      choices_(policy_->spec().action.num_choices()),
      reals_(policy_->spec().action.continuous_size()),
      mlp_(policy_->spec(), kernels) {
  for (AlignedFloats* buffer : {&parameters_, &mean_, &variance_, &gradients_}) {
    buffer->Reserve(static_cast<size_t>(mlp_.layout().size()));
  }
}

absl::StatusOr<NativeTrainer::Column> NativeTrainer::MakeColumn(const TensorDict& items,
                                                                const std::string& name) {
  Column column;
  const auto found = items.find(name);
  if (found == items.end()) return column;
  const torch::Tensor tensor = found->second.contiguous();
  if (tensor.size(0) != features_.size(0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "native backend: ", name, ": expected ", features_.size(0), " rows, got ", tensor.size(0)));
  }
  keep_.push_back(tensor);
  column.source = static_cast<const std::byte*>(tensor.data_ptr());
  column.row_bytes = tensor.nbytes() / static_cast<size_t>(std::max<int64_t>(1, tensor.size(0)));
  column.shape = tensor.sizes().vec();
  column.dtype = FromTorch(tensor.scalar_type());
  return column;
}

absl::Status NativeTrainer::Begin(const TensorDict& items, const RowLoss& loss) {
  const torch::NoGradGuard no_gradient;
  loss_ = &loss;
  keep_.clear();
  features_ = policy_->Features(items).contiguous();
  minibatch_features_ = {.source = static_cast<const std::byte*>(features_.data_ptr()),
                         .row_bytes = features_.nbytes() / static_cast<size_t>(features_.size(0)),
                         .shape = features_.sizes().vec(),
                         .gathered = std::move(minibatch_features_.gathered)};
  columns_.clear();
  for (const std::string& name : loss.fields()) {
    MILLRACE_ASSIGN_OR_RETURN(columns_.emplace_back(), MakeColumn(items, name));
  }
  MILLRACE_ASSIGN_OR_RETURN(mask_, MakeColumn(items, ObservationField(kActionMask)));
  mlp_.layout().Import(Floats(flat_.trainable()), parameters_.data());
  mlp_.layout().Import(Floats(adam_.mean()), mean_.data());
  mlp_.layout().Import(Floats(adam_.variance()), variance_.data());
  steps_ = static_cast<int64_t>(adam_.step().item<float>());
  return absl::OkStatus();
}

void NativeTrainer::Gather(Column& column, std::span<const int64_t> rows) {
  if (column.source == nullptr) return;
  column.shape[0] = static_cast<int64_t>(rows.size());
  column.gathered.resize(rows.size() * column.row_bytes);
  std::byte* to = column.gathered.data();
  switch (column.row_bytes) {
    case 1:
      return GatherRows<1>(column.source, rows, to);
    case 4:
      return GatherRows<4>(column.source, rows, to);
    case 16:
      return GatherRows<16>(column.source, rows, to);
    default:
      for (int64_t row : rows) {
        std::memcpy(to, column.source + static_cast<size_t>(row) * column.row_bytes,
                    column.row_bytes);
        to += column.row_bytes;
      }
  }
}

void NativeTrainer::ApplyMask(float* policy, int64_t stride, int64_t rows, float value) const {
  if (mask_.source == nullptr) return;
  const auto* mask = reinterpret_cast<const uint8_t*>(mask_.gathered.data());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < choices_; ++i) {
      if (mask[row * choices_ + i] == 0) policy[row * stride + i] = value;
    }
  }
}

void NativeTrainer::ClearGradients(int64_t rows, const NativeMlp::Heads& heads) {
  policy_gradient_.Reserve(static_cast<size_t>(rows * heads.policy_stride));
  value_gradient_.Reserve(static_cast<size_t>(rows * heads.value_stride));
  std::fill_n(gradients_.data() + mlp_.log_std_offset(),
              mlp_.layout().size() - mlp_.log_std_offset(), 0.0F);
}

absl::StatusOr<StepReport> NativeTrainer::Train(std::span<const int64_t> rows,
                                                const OptimizerStep& step, Collectives& group,
                                                std::span<double> metrics) {
  const ActivityScope gather(Activity::kTrainGather);
  const auto count = static_cast<int64_t>(rows.size());
  Gather(minibatch_features_, rows);
  Gather(mask_, rows);
  views_.clear();
  for (Column& column : columns_) {
    Gather(column, rows);
    views_.push_back(
        {column.dtype, column.shape, column.source == nullptr ? nullptr : column.gathered.data()});
  }
  const auto* features = reinterpret_cast<const float*>(minibatch_features_.gathered.data());
  EnterActivity(Activity::kTrainForward);
  const NativeMlp::Heads heads = mlp_.Forward(parameters_.data(), features, count);
  ApplyMask(heads.policy, heads.policy_stride, count, kMaskedLogit);
  EnterActivity(Activity::kTrainLoss);
  ClearGradients(count, heads);
  const auto part = [](auto* begin, int64_t size) { return size > 0 ? begin : nullptr; };
  const float* log_std = parameters_.data() + mlp_.log_std_offset();
  StepReport report;
  report.stop_epochs =
      loss_->Evaluate({.count = count,
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
                       .log_std = part(gradients_.data() + mlp_.log_std_offset(), reals_),
                       .value = value_gradient_.data()},
                      metrics);
  ApplyMask(policy_gradient_.data(), heads.policy_stride, count, 0.0F);
  EnterActivity(Activity::kTrainBackward);
  mlp_.Backward(parameters_.data(), features, count, policy_gradient_.data(),
                value_gradient_.data(), gradients_.data());
  if (group.size() > 1) {
    torch::Tensor flat = torch::from_blob(gradients_.data(), {mlp_.layout().size()});
    MILLRACE_RETURN_IF_ERROR(group.AllReduceMean(flat));
  }
  EnterActivity(Activity::kTrainOptimizer);
  report.gradient_norm = std::sqrt(kernels_.squared_norm(gradients_.data(), mlp_.layout().size()));
  report.skipped = !std::isfinite(report.gradient_norm);
  if (report.skipped) return report;
  ++steps_;
  const AdamOptions& options = adam_.options();
  const double correction1 = 1.0 - std::pow(options.beta1, static_cast<double>(steps_));
  const double correction2 = 1.0 - std::pow(options.beta2, static_cast<double>(steps_));
  kernels_.adam({.scale = static_cast<float>(step.GradientScale(report.gradient_norm)),
                 .weight_decay = static_cast<float>(options.weight_decay),
                 .beta1 = static_cast<float>(options.beta1),
                 .beta2 = static_cast<float>(options.beta2),
                 .step_size = static_cast<float>(step.learning_rate / correction1),
                 .inverse_sqrt_correction2 = static_cast<float>(1.0 / std::sqrt(correction2)),
                 .epsilon = static_cast<float>(step.epsilon)},
                gradients_.data(), parameters_.data(), mean_.data(), variance_.data(),
                mlp_.layout().size());
  return report;
}

void NativeTrainer::End() {
  mlp_.layout().Export(parameters_.data(), Floats(flat_.trainable()));
  mlp_.layout().Export(mean_.data(), Floats(adam_.mean()));
  mlp_.layout().Export(variance_.data(), Floats(adam_.variance()));
  adam_.step().fill_(static_cast<float>(steps_));
  keep_.clear();
  features_.reset();
}

}  // namespace millrace
