#include "backends/nm_sparse/sparse_policy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "inference/entity_inputs.h"
#include "kernels/kernels.h"
#include "kernels/packed_layer.h"

namespace millrace {
namespace {

using sparse::kPanel;
using sparse::kTile;

int64_t RowsOfTile(int64_t rows, int64_t tile) { return std::min(kTile, rows - tile * kTile); }

std::optional<SparseBranch> MakeCritic(const ModelSpec& spec, const Sparsity& sparsity,
                                       SparseLayout& layout, const sparse::KernelSet& kernels) {
  if (spec.one_trunk()) return std::nullopt;
  return std::optional<SparseBranch>(std::in_place, spec, Network::kCritic, sparsity, layout,
                                     kernels);
}

}  // namespace

SparseBranch::SparseBranch(const ModelSpec& spec, Network network, const Sparsity& sparsity,
                           SparseLayout& layout, const sparse::KernelSet& kernels)
    : kernels_(kernels), activation_(NonlinearityOf(spec.activation)) {
  const auto tiles_of = [&](int64_t features) { return TileRows::Of(features, kernels); };
  int64_t in = EntityInputsOf(spec, network).dense_width();
  input_ = tiles_of(in);
  transposed_.push_back(tiles_of(in));
  for (size_t i = 0; i < spec.hidden.size(); ++i) {
    const std::string name = absl::StrCat(spec.TrunkName(network), ".", i);
    layers_.emplace_back(layout, name, sparsity, /*input_gradient=*/i > 0, kernels);
    for (auto* list : {&outputs_, &gradients_, &transposed_}) {
      list->push_back(tiles_of(spec.hidden[i]));
    }
  }
  bias_sums_.resize(layers_.size());
}

void SparseBranch::Reserve(int64_t tiles) {
  input_.Reserve(tiles);
  for (auto* list : {&outputs_, &gradients_, &transposed_}) {
    for (TileRows& rows : *list) rows.Reserve(tiles);
  }
  for (size_t i = 0; i < layers_.size(); ++i) {
    bias_sums_[i].Reserve(static_cast<size_t>(tiles * layers_[i].padded_out()));
  }
}

const std::byte* SparseBranch::Forward(const float* parameters, const float* input, int64_t rows,
                                       int64_t tile, float* scratch) {
  const int64_t panel_bytes = kPanel * kTile * ElementBytes(kernels_.precision);
  const int64_t in = layers_[0].in();
  kernels_.tile_of_rows(input, in, rows, in, input_.at(tile));
  for (int64_t panel = 0; panel * kPanel < in; ++panel) {
    kernels_.transpose(input_.at(tile) + panel * panel_bytes,
                       transposed_[0].at(tile) + panel * panel_bytes);
  }
  const std::byte* x = input_.at(tile);
  for (size_t i = 0; i < layers_.size(); ++i) {
    std::byte* y = outputs_[i].at(tile);
    // Biases are padded like all parameters.
    const float* bias = parameters + layers_[i].bias_offset();
    layers_[i].forward().Multiply(x, scratch, [&](int64_t panel, const float* sums) {
      std::byte* to = y + panel * panel_bytes;
      kernels_.activate(sums, bias + panel * kPanel, activation_, to);
      kernels_.transpose(to, transposed_[i + 1].at(tile) + panel * panel_bytes);
    });
    x = y;
  }
  return x;
}

void SparseBranch::TakeGradient(size_t layer, int64_t tile, int64_t panel, const float* sums) {
  const int64_t at = panel * kPanel * kTile * ElementBytes(kernels_.precision);
  float* bias_sums = bias_sums_[layer].data() + tile * layers_[layer].padded_out() + panel * kPanel;
  std::fill_n(bias_sums, kPanel, 0.0F);
  kernels_.activate_backward(sums, outputs_[layer].at(tile) + at, activation_,
                             gradients_[layer].at(tile) + at, bias_sums);
}

void SparseBranch::Backward(int64_t tile, float* scratch) {
  for (size_t i = layers_.size(); i-- > 1;) {
    layers_[i].backward().Multiply(
        gradients_[i].at(tile), scratch,
        [&](int64_t panel, const float* sums) { TakeGradient(i - 1, tile, panel, sums); });
  }
}

void SparseBranch::WriteGradients(size_t i, int64_t tiles, int64_t begin, int64_t end,
                                  const float* parameters, float* gradients) const {
  layers_[i].WriteGradients(gradients_[i].at(0), gradients_[i].stride, transposed_[i].at(0),
                            transposed_[i].stride, tiles, begin, end, parameters, gradients);
}

void SparseBranch::WriteBiasGradients(int64_t tiles, float* gradients) const {
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].WriteBiasGradients(bias_sums_[i].data(), tiles, gradients);
  }
}

SparsePolicy::SparsePolicy(const ModelSpec& spec, const Sparsity& sparsity, int threads)
    : SparseNetwork(spec, sparsity, threads),
      actor_(spec, Network::kActor, sparsity, layout(), kernels()),
      critic_(MakeCritic(spec, sparsity, layout(), kernels())),
      policy_(layout(), "policy_head", actor_, sparsity, kernels()),
      value_(layout(), "value_head", critic_ ? *critic_ : actor_, sparsity, kernels()),
      log_std_offset_(layout().Has("log_std") ? layout().Add("log_std").offset : layout().size()),
      scratch_(static_cast<size_t>(threads)) {
  int64_t widest = 0;
  for (const SparseLayer* layer : Layers()) {
    widest = std::max({widest, layer->padded_out(), PadToPanel(layer->in())});
  }
  for (AlignedFloats& scratch : scratch_) scratch.Reserve(static_cast<size_t>(widest * kTile));
}

std::vector<const SparseLayer*> SparsePolicy::Layers() const {
  std::vector<const SparseLayer*> layers;
  for (const SparseLayer& layer : actor_.layers()) layers.push_back(&layer);
  if (critic_) {
    for (const SparseLayer& layer : critic_->layers()) layers.push_back(&layer);
  }
  layers.push_back(&policy_.layer);
  layers.push_back(&value_.layer);
  return layers;
}

void SparsePolicy::Step(const kernels::AdamStep& step, const AdamBuffers& buffers) {
  ForParts(CountStep(), [&](SparseLayer& layer, int64_t part, bool choose) {
    layer.Step(step, buffers, part);
    layer.Pack(buffers.parameters, choose, part);
  });
  const int64_t begin = log_std_offset_;
  kernels::BestKernels().adam(step, buffers.gradients + begin, buffers.parameters + begin,
                              buffers.mean + begin, buffers.variance + begin, size() - begin);
}

void SparsePolicy::Reserve(int64_t tiles) {
  actor_.Reserve(tiles);
  if (critic_) critic_->Reserve(tiles);
  for (Head* head : {&policy_, &value_}) {
    head->output.Reserve(static_cast<size_t>(tiles * kTile * head->layer.padded_out()));
    head->gradient.Reserve(tiles);
  }
}

void SparsePolicy::HeadForward(const float* parameters, Head& head, const std::byte* hidden,
                               int64_t rows, int64_t tile, float* scratch) {
  const int64_t stride = head.layer.padded_out();
  float* to = head.output.data() + tile * kTile * stride;
  const float* bias = parameters + head.layer.bias_offset();
  head.layer.forward().Multiply(hidden, scratch, [&](int64_t panel, const float* sums) {
    kernels().rows_of_sums(sums, bias + panel * kPanel, rows, kPanel, to + panel * kPanel, stride);
  });
}

void SparsePolicy::ForwardTile(const float* parameters, const NativeMinibatch& batch, int64_t tile,
                               float* scratch) {
  const int64_t rows = RowsOfTile(batch.rows(), tile);
  const auto input = [&](const float* all, SparseBranch& branch) {
    return all + tile * kTile * branch.layers()[0].in();
  };
  const std::byte* hidden =
      actor_.Forward(parameters, input(batch.actor_input, actor_), rows, tile, scratch);
  HeadForward(parameters, policy_, hidden, rows, tile, scratch);
  if (critic_) {
    hidden = critic_->Forward(parameters, input(batch.critic_input, *critic_), rows, tile, scratch);
  }
  HeadForward(parameters, value_, hidden, rows, tile, scratch);
}

RowNetwork::Heads SparsePolicy::Forward(const float* parameters, const NativeMinibatch& batch) {
  tiles_ = (batch.rows() + kTile - 1) / kTile;
  Reserve(tiles_);
  team().Run(tiles_, [&](int64_t tile, int thread) {
    ForwardTile(parameters, batch, tile, scratch_[static_cast<size_t>(thread)].data());
  });
  return {.policy = policy_.output.data(),
          .value = value_.output.data(),
          .policy_stride = policy_.layer.padded_out(),
          .value_stride = value_.layer.padded_out()};
}

void SparsePolicy::BackwardTile(int64_t rows, const float* policy_gradient,
                                const float* value_gradient, int64_t tile, float* scratch) {
  const auto gradient_tile = [&](Head& head, const float* gradient) {
    const int64_t stride = head.layer.padded_out();
    kernels().tile_of_rows(gradient + tile * kTile * stride, stride, rows, stride,
                           head.gradient.at(tile));
    return head.gradient.at(tile);
  };
  const auto take = [&](SparseBranch& branch) {
    return [&branch, tile](int64_t panel, const float* sums) {
      branch.TakeGradient(tile, panel, sums);
    };
  };
  const std::byte* policy = gradient_tile(policy_, policy_gradient);
  const std::byte* value = gradient_tile(value_, value_gradient);
  if (critic_) {
    policy_.layer.backward().Multiply(policy, scratch, take(actor_));
    actor_.Backward(tile, scratch);
    value_.layer.backward().Multiply(value, scratch, take(*critic_));
    critic_->Backward(tile, scratch);
    return;
  }
  policy_.layer.backward().MultiplyFirst(policy, scratch);
  value_.layer.backward().MultiplyAdd(value, scratch, take(actor_));
  actor_.Backward(tile, scratch);
}

void SparsePolicy::WriteGradients(int64_t tiles, const float* parameters, float* gradients) {
  constexpr int64_t kInputs = 128;  // of a part
  struct Part {
    SparseBranch* branch;
    size_t layer;
    int64_t begin;
  };
  std::vector<Part> parts;
  const auto add = [&](SparseBranch& branch) {
    for (size_t i = 0; i < branch.layers().size(); ++i) {
      for (int64_t begin = 0; begin < branch.layers()[i].in(); begin += kInputs) {
        parts.push_back({&branch, i, begin});
      }
    }
  };
  add(actor_);
  if (critic_) add(*critic_);
  team().Run(static_cast<int64_t>(parts.size()), [&](int64_t i, int) {
    const Part& part = parts[static_cast<size_t>(i)];
    const int64_t end = std::min(part.begin + kInputs, part.branch->layers()[part.layer].in());
    part.branch->WriteGradients(part.layer, tiles, part.begin, end, parameters, gradients);
  });
  for (Head* head : {&policy_, &value_}) {
    const TileRows& hidden = head->branch.transposed_output();
    head->layer.WriteGradients(head->gradient.at(0), head->gradient.stride, hidden.at(0),
                               hidden.stride, tiles, 0, head->layer.in(), parameters, gradients);
  }
  actor_.WriteBiasGradients(tiles, gradients);
  if (critic_) critic_->WriteBiasGradients(tiles, gradients);
}

void SparsePolicy::Backward(const float* parameters, const NativeMinibatch& batch,
                            const float* policy_gradient, const float* value_gradient,
                            float* gradients) {
  const int64_t rows = batch.rows();
  team().Run(tiles_, [&](int64_t tile, int thread) {
    BackwardTile(RowsOfTile(rows, tile), policy_gradient, value_gradient, tile,
                 scratch_[static_cast<size_t>(thread)].data());
  });
  WriteGradients(tiles_, parameters, gradients);
  const auto& kernels = kernels::BestKernels();
  const auto head_biases = [&](const Head& head, const float* gradient) {
    kernels.column_sums(gradient, head.layer.padded_out(), rows, head.layer.panels(),
                        gradients + head.layer.bias_offset());
  };
  head_biases(policy_, policy_gradient);
  head_biases(value_, value_gradient);
}

}  // namespace millrace
