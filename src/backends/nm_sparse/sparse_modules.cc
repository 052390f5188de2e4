#include "backends/nm_sparse/sparse_modules.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "backends/nm_sparse/masked_layer.h"
#include "kernels/packed_layer.h"
#include "millrace/core/check.h"

namespace millrace {
namespace {

using sparse::kPanel;
using sparse::kTile;
using torch::Tensor;

constexpr char kLayer[] = "layer";  // in the context of a function

}  // namespace

// A layer of the network with the module that it computes for.
class SparseModules::Layer {
 public:
  Layer(LayerModule& module, const std::string& name, const Sparsity& sparsity,
        SparseNetwork& network, SparseLayout& layout, ThreadTeam& team,
        const sparse::KernelSet& kernels, ModuleProducts products)
      : module_(module),
        network_(network),
        team_(team),
        kernels_(kernels),
        sparse_(layout, name, PackedFor(products, sparsity), /*input_gradient=*/true, kernels) {
    if (products == ModuleProducts::kMasked || sparse_.is_convolution()) {
      const LayerPatterns patterns = sparsity.Of(name);
      // The forward pass's choice has groups along the inputs in both passes.
      masked_.emplace(module, MaskedLayer::Settings{.precision = sparsity.precision,
                                                    .products = sparsity.products,
                                                    .forward = patterns.forward,
                                                    .backward = patterns.backward});
      return;
    }
    scratch_.resize(static_cast<size_t>(team.size()));
    const int64_t widest = std::max(sparse_.padded_out(), PadToPanel(sparse_.in()));
    for (Scratch& scratch : scratch_) {
      scratch.sums.Reserve(static_cast<size_t>(widest * kTile));
      scratch.tile.Reserve(static_cast<size_t>(widest * kTile * ElementBytes(kernels.precision)));
    }
    module.ComputeWith([this](const Tensor& x) {
      return KernelFunction::apply(x, module_.weight, module_.bias,
                                   reinterpret_cast<int64_t>(this));
    });
  }
  ~Layer() {
    if (!masked_) module_.ComputeWith(nullptr);
  }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  const SparseLayer& sparse() const { return sparse_; }

  void ChangePlaces() {
    taking_part_ = LikeWeights(sparse_.ForwardMask());
    if (masked_) masked_->SetMasks(taking_part_, LikeWeights(sparse_.BackwardMask()));
  }
  void Packed() {
    if (masked_) masked_->Update();
  }

  void PullToZero(double decay, bool fixed) const {
    if (!taking_part_.defined()) return;
    const torch::NoGradGuard no_gradient;
    Tensor gradient = module_.weight.mutable_grad();
    if (fixed) {
      gradient.mul_(taking_part_);
    } else {
      gradient.add_(module_.weight.masked_fill(taking_part_, 0), decay);
    }
  }

 private:
  // What masked layers multiply with is not packed: there are no products of those to choose.
  static Sparsity PackedFor(ModuleProducts products, Sparsity sparsity) {
    if (products == ModuleProducts::kMasked) sparsity.products = sparse::ProductChoice::kSparse;
    return sparsity;
  }

  struct Scratch {
    AlignedFloats sums;
    AlignedBuffer<std::byte> tile;
  };

  struct KernelFunction : torch::autograd::Function<KernelFunction> {
    static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                          const Tensor& weight, const Tensor& /*bias*/, int64_t handle) {
      context->saved_data[kLayer] = handle;
      const Tensor rows = x.contiguous().view({-1, x.size(-1)});
      context->save_for_backward({rows});
      const auto& layer = *reinterpret_cast<const Layer*>(handle);
      auto sizes = x.sizes().vec();
      sizes.back() = weight.size(0);
      const float* biases = layer.network_.taken() + layer.sparse_.bias_offset();
      return layer.Multiply(layer.sparse_.forward(), rows, biases).view(sizes);
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
      const auto& layer = *reinterpret_cast<const Layer*>(context->saved_data[kLayer].toInt());
      const Tensor rows = context->get_saved_variables()[0];
      const Tensor g = gradients[0].contiguous().view({rows.size(0), -1});
      Tensor x_gradient;
      if (context->needs_input_grad(0)) {
        auto sizes = gradients[0].sizes().vec();
        sizes.back() = rows.size(1);
        x_gradient = layer.Multiply(layer.sparse_.backward(), g, nullptr).view(sizes);
      }
      return {x_gradient, at::mm(g.t(), rows), g.sum(0), Tensor()};
    }
  };

  // Of a matrix [out, in]: bool in the shape of the module's weights, on their device; undefined if
  // it is empty.
  Tensor LikeWeights(const std::vector<uint8_t>& matrix) const {
    if (matrix.empty()) return {};
    const auto sizes = module_.weight.sizes();
    Tensor mask = torch::from_blob(const_cast<uint8_t*>(matrix.data()),
                                   {sparse_.out(), sparse_.in()}, torch::kUInt8);
    if (sparse_.is_convolution()) {
      mask = mask.view({sizes[0], sizes[2], sizes[3], sizes[1]}).permute({0, 3, 1, 2});
    }
    return mask.to(torch::kBool).to(module_.weight.device());
  }

  // rows [R, inputs] -> [R, outputs], biases added unless null.
  Tensor Multiply(const sparse::PackedMatrix& matrix, const Tensor& rows,
                  const float* biases) const {
    const int64_t count = rows.size(0), in = matrix.inputs(), out = matrix.outputs();
    Tensor result = torch::empty({count, out});
    const float* from = rows.const_data_ptr<float>();
    float* const to = result.data_ptr<float>();
    team_.Run((count + kTile - 1) / kTile, [&](int64_t tile, int thread) {
      Scratch& scratch = scratch_[static_cast<size_t>(thread)];
      const int64_t first = tile * kTile, size = std::min(kTile, count - first);
      kernels_.tile_of_rows(from + first * in, in, size, in, scratch.tile.data());
      matrix.Multiply(
          scratch.tile.data(), scratch.sums.data(), [&](int64_t panel, const float* sums) {
            const int64_t column = panel * kPanel;
            kernels_.rows_of_sums(sums, biases != nullptr ? biases + column : nullptr, size,
                                  std::min(kPanel, out - column), to + first * out + column, out);
          });
    });
    return result;
  }

  LayerModule& module_;
  SparseNetwork& network_;
  ThreadTeam& team_;
  const sparse::KernelSet& kernels_;
  SparseLayer sparse_;
  std::optional<MaskedLayer> masked_;
  mutable std::vector<Scratch> scratch_;  // of each thread, unless masked
  Tensor taking_part_;                    // in the forward product; undefined if all do
};

SparseModules::SparseModules(std::shared_ptr<BuiltinPolicy> policy, const Sparsity& sparsity,
                             int threads, ModuleProducts products)
    : SparseNetwork(policy->spec(), sparsity, threads),
      policy_(std::move(policy)),
      products_(products),
      fixed_(sparsity.refresh == Refresh::kNever) {
  for (const auto& named : policy_->named_modules()) {
    if (std::ranges::count(sparsity.layers, named.key()) == 0) continue;
    auto* module = dynamic_cast<LayerModule*>(named.value().get());
    MILLRACE_CHECK(module != nullptr, "not a layer");
    layers_.push_back(std::make_unique<Layer>(*module, named.key(), sparsity, *this, layout(),
                                              team(), kernels(), products));
  }
  MILLRACE_CHECK(layers_.size() == sparsity.layers.size(), "a layer that the policy has not");
}

SparseModules::~SparseModules() = default;

std::vector<const SparseLayer*> SparseModules::Layers() const {
  std::vector<const SparseLayer*> layers;
  for (const auto& layer : layers_) layers.push_back(&layer->sparse());
  return layers;
}

bool SparseModules::Follow() {
  if (products_ != ModuleProducts::kMasked) return false;
  for (const auto& layer : layers_) layer->Packed();
  return true;
}

void SparseModules::Packed(bool others) {
  for (const auto& layer : layers_) {
    if (others) layer->ChangePlaces();
    layer->Packed();
  }
}

void SparseModules::PullToZero() const {
  if (decay() == 0 && !fixed_) return;
  for (const auto& layer : layers_) layer->PullToZero(decay(), fixed_);
}

namespace {

class SparseModulesEvaluator : public HeadEvaluator {
 public:
  SparseModulesEvaluator(std::shared_ptr<BuiltinPolicy> policy,
                         std::shared_ptr<SparseModules> network, FlatParameters& parameters)
      : network_(std::move(network)),
        autograd_(MakeAutogradEvaluator(std::move(policy), parameters)) {}

  HeadOutputs Forward(const TensorDict& minibatch) override {
    return autograd_->Forward(minibatch);
  }
  void Backward(const HeadOutputs& heads) override {
    autograd_->Backward(heads);
    network_->PullToZero();
  }

 private:
  const std::shared_ptr<SparseModules> network_;
  const std::unique_ptr<HeadEvaluator> autograd_;
};

}  // namespace

std::unique_ptr<HeadEvaluator> MakeSparseModulesEvaluator(std::shared_ptr<BuiltinPolicy> policy,
                                                          std::shared_ptr<SparseModules> network,
                                                          FlatParameters& parameters) {
  return std::make_unique<SparseModulesEvaluator>(std::move(policy), std::move(network),
                                                  parameters);
}

}  // namespace millrace
