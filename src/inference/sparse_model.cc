#include "inference/sparse_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "inference/head_check.h"
#include "inference/normalization.h"
#include "millrace/core/status.h"
#include "sparse/kernel_choice.h"

namespace millrace {
namespace {

using sparse::kPanel;
using sparse::kTile;

int64_t Padded(const sparse::PackedMatrix& weights) { return weights.panels() * kPanel; }

}  // namespace

SparseModel::SparseModel(const ModelSpec& spec, const Sparsity& sparsity)
    : spec_(spec),
      kernels_(sparse::BestKernels(sparsity.precision)),
      activation_(spec.activation == Activation::kTanh ? sparse::Nonlinearity::kTanh
                                                       : sparse::Nonlinearity::kRelu),
      form_(spec, sparsity),
      layers_(form_.MakeLayers()),
      parameters_(form_.layout().num_floats()),
      reader_(spec),
      actor_(MakeBranch(Network::kActor)),
      policy_head_(MakeLayer("policy_head")),
      value_head_(MakeLayer("value_head")) {
  if (!spec.one_trunk()) critic_.emplace(MakeBranch(Network::kCritic));
  int64_t widest = 0;
  for (const auto& [name, weights] : layers_) {
    widest = std::max({widest, Padded(weights), weights.inputs()});
  }
  scratch_.Reserve(static_cast<size_t>(widest * kTile));
  head_.Reserve(static_cast<size_t>(widest * kTile));
  for (auto& tile : tiles_) {
    tile.Reserve(static_cast<size_t>(widest * kTile * ElementBytes(kernels_.precision)));
  }
}

SparseModel::Layer SparseModel::MakeLayer(const std::string& name) const {
  Layer layer{.weights = &layers_.at(name), .bias = {}};
  layer.bias.Reserve(static_cast<size_t>(Padded(*layer.weights)));
  return layer;
}

SparseModel::Branch SparseModel::MakeBranch(Network network) const {
  Branch branch(spec_, network);
  for (size_t i = 0; i < spec_.hidden.size(); ++i) {
    branch.hidden.push_back(MakeLayer(absl::StrCat(spec_.TrunkName(network), ".", i)));
  }
  return branch;
}

void SparseModel::TakeParameters() {
  const auto tensor = [&](const std::string& name) -> std::span<const float> {
    const ParameterEntry* entry = form_.layout().Find(name);
    if (entry == nullptr) return {};
    return std::span(parameters_)
        .subspan(entry->offset, static_cast<size_t>(NumElements(entry->shape)));
  };
  const auto take = [&](const std::string& name, Layer& layer) {
    std::ranges::copy(tensor(name + ".bias"), layer.bias.data());
  };
  const auto take_branch = [&](Network network, Branch& branch) {
    for (size_t i = 0; i < branch.hidden.size(); ++i) {
      take(absl::StrCat(spec_.TrunkName(network), ".", i), branch.hidden[i]);
    }
  };
  take_branch(Network::kActor, actor_);
  if (critic_) take_branch(Network::kCritic, *critic_);
  take("policy_head", policy_head_);
  take("value_head", value_head_);
  log_std_ = tensor("log_std");
  reader_.SetNormalizer(tensor("observation_mean"), tensor("observation_variance"));
  if (spec_.normalize_value) {
    value_mean_ = tensor("value_mean")[0];
    value_scale_ = std::sqrt(tensor("value_variance")[0] + kNormalizerEpsilon);
  }
  loaded_ = true;
}

absl::Status SparseModel::Load(std::span<const std::byte> form) {
  loaded_ = false;
  MILLRACE_RETURN_IF_ERROR(form_.Read(form, layers_, parameters_));
  TakeParameters();
  return absl::OkStatus();
}

absl::Status SparseModel::LoadParameters(std::span<const std::byte> parameters) {
  if (parameters.size() != layout().bytes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weights of the model: expected ", layout().bytes(), " bytes, got ", parameters.size()));
  }
  std::memcpy(parameters_.data(), parameters.data(), parameters.size());
  form_.Pack(parameters_, layers_);
  TakeParameters();
  return absl::OkStatus();
}

const std::byte* SparseModel::Hidden(const Branch& branch, const float* input, int64_t rows) {
  const int64_t panel_bytes = kPanel * kTile * ElementBytes(kernels_.precision);
  const int64_t in = branch.input.width();
  kernels_.tile_of_rows(input, in, rows, in, tiles_[0].data());
  for (size_t i = 0; i < branch.hidden.size(); ++i) {
    const Layer& layer = branch.hidden[i];
    std::byte* y = tiles_[(i + 1) % 2].data();
    layer.weights->Multiply(tiles_[i % 2].data(), scratch_.data(),
                            [&](int64_t panel, const float* sums) {
                              kernels_.activate(sums, layer.bias.data() + panel * kPanel,
                                                activation_, y + panel * panel_bytes);
                            });
  }
  return tiles_[branch.hidden.size() % 2].data();
}

void SparseModel::Head(const Layer& head, const std::byte* hidden, int64_t rows) {
  const int64_t stride = Padded(*head.weights);
  head.weights->Multiply(hidden, scratch_.data(), [&](int64_t panel, const float* sums) {
    kernels_.rows_of_sums(sums, head.bias.data() + panel * kPanel, rows, kPanel,
                          head_.data() + panel * kPanel, stride);
  });
}

void SparseModel::WritePolicy(int64_t begin, int64_t rows, const HeadSpans& heads) {
  const int64_t stride = Padded(*policy_head_.weights);
  const int64_t choices = spec_.action.num_choices(), reals = spec_.action.continuous_size();
  for (int64_t row = 0; row < rows; ++row) {
    const float* out = head_.data() + row * stride;
    std::copy_n(out, choices, heads.logits.data() + (begin + row) * choices);
    std::copy_n(out + choices, reals, heads.mean.data() + (begin + row) * reals);
  }
}

void SparseModel::WriteValue(int64_t begin, int64_t rows, std::span<float> value) {
  const int64_t stride = Padded(*value_head_.weights);
  for (int64_t row = 0; row < rows; ++row) {
    value[static_cast<size_t>(begin + row)] =
        head_.data()[row * stride] * value_scale_ + value_mean_;
  }
}

absl::Status SparseModel::Forward(int rows, std::span<const TensorView> observation,
                                  std::span<float> /*state*/, const HeadSpans& heads) {
  if (!loaded_) return absl::FailedPreconditionError("forward: no weights were loaded");
  MILLRACE_RETURN_IF_ERROR(CheckHeads(spec_, rows, heads));
  MILLRACE_ASSIGN_OR_RETURN(const float* features, reader_.Read(rows, observation));
  const TrunkInput input{rows, features, observation};
  const float* actor_input = actor_.input.Read(input);
  const float* critic_input = critic_ ? critic_->input.Read(input) : nullptr;
  for (int64_t begin = 0; begin < rows; begin += kTile) {
    const int64_t count = std::min<int64_t>(kTile, rows - begin);
    const std::byte* hidden = Hidden(actor_, actor_input + begin * actor_.input.width(), count);
    Head(policy_head_, hidden, count);
    WritePolicy(begin, count, heads);
    if (critic_) hidden = Hidden(*critic_, critic_input + begin * critic_->input.width(), count);
    Head(value_head_, hidden, count);
    WriteValue(begin, count, heads.value);
  }
  std::ranges::copy(log_std_, heads.log_std.begin());
  return absl::OkStatus();
}

}  // namespace millrace
