#include "inference/native_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "inference/normalization.h"
#include "millrace/core/status.h"

namespace millrace {

PackedTrunk::PackedTrunk(int64_t in, const std::vector<int64_t>& hidden, Activation activation)
    : in_(in), activation_(activation) {
  for (int64_t width : hidden) {
    layers_.emplace_back(in, width);
    in = width;
  }
}

const float* PackedTrunk::Apply(const kernels::KernelSet& kernels, const float* x, int64_t rows,
                                int64_t* stride) {
  *stride = in_;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const int64_t size = rows * layers_[i].padded_out();
    AlignedFloats& buffer = buffers_[i % 2];
    buffer.Reserve(static_cast<size_t>(size));
    layers_[i].Apply(kernels, x, *stride, rows, buffer.data());
    (activation_ == Activation::kTanh ? kernels.tanh : kernels.relu)(buffer.data(), size);
    x = buffer.data();
    *stride = layers_[i].padded_out();
  }
  return x;
}

NativeModel::NativeModel(const ModelSpec& spec, const kernels::KernelSet& kernels)
    : spec_(spec),
      layout_(spec),
      kernels_(kernels),
      shared_(spec.shared_trunk || spec.lstm_size > 0),
      reader_(spec),
      trunk_(spec.num_features(), spec.hidden, spec.activation) {
  if (!shared_) critic_ = PackedTrunk(spec.num_features(), spec.hidden, spec.activation);
  int64_t width = spec.hidden.empty() ? spec.num_features() : spec.hidden.back();
  if (spec.lstm_size > 0) {
    lstm_ = PackedLayer(width + spec.lstm_size, 4 * PadToPanel(spec.lstm_size));
    width = spec.lstm_size;
  }
  policy_head_ = PackedLayer(width, spec.action.num_choices() + spec.action.continuous_size());
  value_head_ = PackedLayer(width, 1);
}

std::span<const float> NativeModel::Tensor(std::string_view name) const {
  const ParameterEntry* entry = layout_.Find(name);
  if (entry == nullptr) return {};
  return std::span(weights_).subspan(entry->offset, static_cast<size_t>(NumElements(entry->shape)));
}

void NativeModel::PackLinear(const std::string& name, PackedLayer& layer) {
  const auto bias = Tensor(name + ".bias");
  layer.Clear();
  layer.Pack(Tensor(name + ".weight"), bias, static_cast<int64_t>(bias.size()), layer.in());
}

void NativeModel::PackTrunk(const std::string& name, PackedTrunk& trunk) {
  for (int i = 0; i < trunk.size(); ++i) PackLinear(absl::StrCat(name, ".", i), trunk.layer(i));
}

void NativeModel::PackLstm() {
  const auto weight_ih = Tensor("lstm.weight_ih"), weight_hh = Tensor("lstm.weight_hh");
  const auto bias_ih = Tensor("lstm.bias_ih"), bias_hh = Tensor("lstm.bias_hh");
  const auto size = static_cast<size_t>(spec_.lstm_size);
  const size_t in = static_cast<size_t>(lstm_.in()) - size;
  lstm_.Clear();
  for (size_t gate = 0; gate < 4; ++gate) {
    const size_t row = gate * size;
    const auto out = static_cast<int64_t>(gate) * PadToPanel(spec_.lstm_size);
    lstm_.Pack(weight_ih.subspan(row * in, size * in), bias_ih.subspan(row, size), spec_.lstm_size,
               static_cast<int64_t>(in), out);
    lstm_.Pack(weight_hh.subspan(row * size, size * size), bias_hh.subspan(row, size),
               spec_.lstm_size, spec_.lstm_size, out, static_cast<int64_t>(in));
  }
}

absl::Status NativeModel::Load(std::span<const std::byte> blob) {
  if (blob.size() != layout_.bytes()) {
    return absl::InvalidArgumentError(absl::StrCat("weights of the model: expected ",
                                                   layout_.bytes(), " bytes, got ", blob.size()));
  }
  weights_.resize(layout_.num_floats());
  std::memcpy(weights_.data(), blob.data(), blob.size());
  PackTrunk(shared_ ? "trunk" : "actor", trunk_);
  if (!shared_) PackTrunk("critic", critic_);
  if (spec_.lstm_size > 0) PackLstm();
  PackLinear("policy_head", policy_head_);
  PackLinear("value_head", value_head_);
  const auto log_std = Tensor("log_std");
  log_std_.assign(log_std.begin(), log_std.end());
  reader_.SetNormalizer(Tensor("observation_mean"), Tensor("observation_variance"));
  if (spec_.normalize_value) {
    value_mean_ = Tensor("value_mean")[0];
    value_scale_ = std::sqrt(Tensor("value_variance")[0] + kNormalizerEpsilon);
  }
  return absl::OkStatus();
}

absl::Status NativeModel::Check(int rows, std::span<float> state, const HeadSpans& heads) const {
  const auto check = [rows](const char* name, size_t got, int64_t per_row) -> absl::Status {
    const auto expected = static_cast<size_t>(rows * per_row);
    if (got >= expected) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("forward: ", name, ": expected ", expected, " floats, got ", got));
  };
  if (weights_.empty()) return absl::FailedPreconditionError("forward: no weights were loaded");
  MILLRACE_RETURN_IF_ERROR(check("state", state.size(), spec_.state_size()));
  MILLRACE_RETURN_IF_ERROR(check("logits", heads.logits.size(), spec_.action.num_choices()));
  MILLRACE_RETURN_IF_ERROR(check("mean", heads.mean.size(), spec_.action.continuous_size()));
  MILLRACE_RETURN_IF_ERROR(check("value", heads.value.size(), 1));
  if (heads.log_std.size() >= log_std_.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("forward: log_std: expected ", log_std_.size(),
                                                 " floats, got ", heads.log_std.size()));
}

absl::Status NativeModel::Forward(int rows, std::span<const TensorView> observation,
                                  std::span<float> state, const HeadSpans& heads) {
  MILLRACE_RETURN_IF_ERROR(Check(rows, state, heads));
  MILLRACE_ASSIGN_OR_RETURN(const float* features, reader_.Read(rows, observation));
  int64_t stride = 0;
  const float* hidden = trunk_.Apply(kernels_, features, rows, &stride);
  if (spec_.lstm_size > 0) {
    hidden = RunLstm(hidden, stride, rows, state);
    stride = PadToPanel(spec_.lstm_size);
  }
  WritePolicyHead(hidden, stride, rows, heads);
  if (!shared_) hidden = critic_.Apply(kernels_, features, rows, &stride);
  WriteValue(hidden, stride, rows, heads.value);
  std::copy(log_std_.begin(), log_std_.end(), heads.log_std.begin());
  return absl::OkStatus();
}

const float* NativeModel::RunLstm(const float* x, int64_t stride, int rows,
                                  std::span<float> state) {
  const int64_t size = spec_.lstm_size, padded = PadToPanel(size), in = lstm_.in() - size;
  lstm_input_.Reserve(static_cast<size_t>(rows * lstm_.in()));
  lstm_gates_.Reserve(static_cast<size_t>(rows * 4 * padded));
  lstm_hidden_.Reserve(static_cast<size_t>(rows * padded));
  lstm_cell_.Reserve(static_cast<size_t>(padded));
  for (int64_t row = 0; row < rows; ++row) {
    float* input = lstm_input_.data() + row * lstm_.in();
    std::copy_n(x + row * stride, in, input);
    std::copy_n(state.data() + row * 2 * size, size, input + in);
  }
  lstm_.Apply(kernels_, lstm_input_.data(), lstm_.in(), rows, lstm_gates_.data());
  for (int64_t row = 0; row < rows; ++row) {
    float* row_state = state.data() + row * 2 * size;
    float* hidden = lstm_hidden_.data() + row * padded;
    std::copy_n(row_state + size, size, lstm_cell_.data());
    kernels_.lstm_cell(lstm_gates_.data() + row * 4 * padded, padded, lstm_cell_.data(), hidden);
    std::copy_n(hidden, size, row_state);
    std::copy_n(lstm_cell_.data(), size, row_state + size);
  }
  return lstm_hidden_.data();
}

void NativeModel::WritePolicyHead(const float* x, int64_t stride, int rows,
                                  const HeadSpans& heads) {
  const int64_t width = policy_head_.padded_out();
  const int64_t choices = spec_.action.num_choices(), reals = spec_.action.continuous_size();
  head_.Reserve(static_cast<size_t>(rows * width));
  policy_head_.Apply(kernels_, x, stride, rows, head_.data());
  for (int64_t row = 0; row < rows; ++row) {
    const float* out = head_.data() + row * width;
    std::copy_n(out, choices, heads.logits.data() + row * choices);
    std::copy_n(out + choices, reals, heads.mean.data() + row * reals);
  }
}

void NativeModel::WriteValue(const float* x, int64_t stride, int rows, std::span<float> value) {
  const int64_t width = value_head_.padded_out();
  head_.Reserve(static_cast<size_t>(rows * width));
  value_head_.Apply(kernels_, x, stride, rows, head_.data());
  for (int row = 0; row < rows; ++row) {
    value[static_cast<size_t>(row)] = head_.data()[row * width] * value_scale_ + value_mean_;
  }
}

absl::StatusOr<std::unique_ptr<InferenceModel>> MakeNativeModel(const ModelSpec& spec) {
  if (spec.type != "mlp" && spec.type != "lstm") {
    return absl::InvalidArgumentError(
        absl::StrCat("no native forward for model type \"", spec.type, "\""));
  }
  return std::make_unique<NativeModel>(spec, kernels::BestKernels());
}

}  // namespace millrace
