#include "inference/sparse_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"
#include "sparse/kernel_choice.h"

namespace millrace {
namespace {

using sparse::kPanel;
using sparse::kTile;

}  // namespace

SparseModel::SparseModel(const ModelSpec& spec, const Sparsity& sparsity)
    : PackedModel(spec, sparsity),
      spec_(spec),
      kernels_(sparse::BestKernels(sparsity.precision)),
      activation_(NonlinearityOf(spec.activation)),
      heads_(spec),
      reader_(spec),
      actor_(MakeBranch(Network::kActor)),
      policy_head_(MakeLayer("policy_head")),
      value_head_(MakeLayer("value_head")) {
  if (!spec.one_trunk()) critic_.emplace(MakeBranch(Network::kCritic));
  int64_t widest = 0;
  for (const std::string& name : layers().names()) {
    sparse::PackedMatrix& weights = layers().At(name);
    sparse::ChooseProduct(sparsity.products, weights);
    widest = std::max({widest, weights.padded_outputs(), weights.inputs()});
  }
  scratch_.Reserve(static_cast<size_t>(widest * kTile));
  head_.Reserve(static_cast<size_t>(widest * kTile));
  for (auto& tile : tiles_) {
    tile.Reserve(static_cast<size_t>(widest * kTile * ElementBytes(kernels_.precision)));
  }
}

SparseModel::Layer SparseModel::MakeLayer(const std::string& name) const {
  Layer layer{.weights = &layers().At(name), .bias = {}};
  layer.bias.Reserve(static_cast<size_t>(layer.weights->padded_outputs()));
  return layer;
}

SparseModel::Branch SparseModel::MakeBranch(Network network) const {
  Branch branch(spec_, network);
  for (size_t i = 0; i < spec_.hidden.size(); ++i) {
    branch.hidden.push_back(MakeLayer(absl::StrCat(spec_.TrunkName(network), ".", i)));
  }
  return branch;
}

absl::Status SparseModel::TakeWeights() {
  const auto take = [&](const std::string& name, Layer& layer) {
    layer.weights = &layers().At(name);
    std::ranges::copy(parameters().Tensor(name + ".bias"), layer.bias.data());
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
  heads_.Load(parameters());
  reader_.SetNormalizer(parameters().Tensor("observation_mean"),
                        parameters().Tensor("observation_variance"));
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

RowMatrix SparseModel::ApplyHead(const Layer& head, const std::byte* hidden, int64_t rows) {
  const int64_t stride = head.weights->padded_outputs();
  head.weights->Multiply(hidden, scratch_.data(), [&](int64_t panel, const float* sums) {
    kernels_.rows_of_sums(sums, head.bias.data() + panel * kPanel, rows, kPanel,
                          head_.data() + panel * kPanel, stride);
  });
  return {head_.data(), stride};
}

absl::Status SparseModel::Forward(int rows, std::span<const TensorView> observation,
                                  std::span<float> /*state*/, const HeadSpans& heads) {
  if (!loaded()) return absl::FailedPreconditionError("forward: no weights were loaded");
  MILLRACE_RETURN_IF_ERROR(heads_.Check(rows, heads));
  MILLRACE_ASSIGN_OR_RETURN(const float* features, reader_.Read(rows, observation));
  const TrunkInput input{rows, features, observation};
  const float* actor_input = actor_.input.Read(input);
  const float* critic_input = critic_ ? critic_->input.Read(input) : nullptr;
  for (int64_t begin = 0; begin < rows; begin += kTile) {
    const int64_t count = std::min<int64_t>(kTile, rows - begin);
    const std::byte* hidden = Hidden(actor_, actor_input + begin * actor_.input.width(), count);
    heads_.WritePolicy(ApplyHead(policy_head_, hidden, count), begin, count, heads);
    if (critic_) hidden = Hidden(*critic_, critic_input + begin * critic_->input.width(), count);
    heads_.WriteValue(ApplyHead(value_head_, hidden, count), begin, count, heads);
  }
  heads_.WriteLogStd(heads);
  return absl::OkStatus();
}

}  // namespace millrace
