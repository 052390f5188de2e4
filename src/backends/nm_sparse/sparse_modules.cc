#include "backends/nm_sparse/sparse_modules.h"

#include <algorithm>
#include <utility>

#include "kernels/packed_layer.h"
#include "millrace/core/check.h"
#include "models/cnn_module.h"

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
        const sparse::KernelSet& kernels)
      : module_(module),
        network_(network),
        team_(team),
        kernels_(kernels),
        sparse_(layout, name, sparsity, /*input_gradient=*/true, kernels),
        scratch_(static_cast<size_t>(team.size())) {
    const int64_t widest = std::max(sparse_.padded_out(), PadToPanel(sparse_.in()));
    for (Scratch& scratch : scratch_) {
      scratch.sums.Reserve(static_cast<size_t>(widest * kTile));
      scratch.tile.Reserve(static_cast<size_t>(widest * kTile * ElementBytes(kernels.precision)));
    }
    if (auto* convolution = dynamic_cast<ConvolutionModule*>(&module)) {
      stride_ = convolution->stride();
      module.ComputeWith([this](const Tensor& x) {
        return ConvolutionFunction::apply(x, module_.weight, module_.bias, Handle());
      });
    } else {
      module.ComputeWith([this](const Tensor& x) {
        return LinearFunction::apply(x, module_.weight, module_.bias, Handle());
      });
    }
  }
  ~Layer() { module_.ComputeWith(nullptr); }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  const SparseLayer& sparse() const { return sparse_; }

  void Packed() {
    if (stride_ == 0) return;
    const auto sizes = module_.weight.sizes();
    const auto as_filters = [&](const Tensor& matrix) {
      return matrix.view({sizes[0], sizes[2], sizes[3], sizes[1]}).permute({0, 3, 1, 2});
    };
    const auto unpacked = [](const sparse::PackedMatrix& matrix) {
      Tensor dense = torch::empty({matrix.outputs(), matrix.inputs()});
      matrix.Unpack(dense.data_ptr<float>());
      return dense;
    };
    forward_ = as_filters(unpacked(sparse_.forward()));
    backward_ = as_filters(unpacked(sparse_.backward()).t().contiguous());
  }

 private:
  struct Scratch {
    AlignedFloats sums;
    AlignedBuffer<std::byte> tile;
  };

  struct LinearFunction : torch::autograd::Function<LinearFunction> {
    static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                          const Tensor& weight, const Tensor& /*bias*/, int64_t handle) {
      context->saved_data[kLayer] = handle;
      const Tensor rows = x.contiguous().view({-1, x.size(-1)});
      context->save_for_backward({rows});
      const Layer& layer = *OfHandle(handle);
      auto sizes = x.sizes().vec();
      sizes.back() = weight.size(0);
      const float* biases = layer.network_.taken() + layer.sparse_.bias_offset();
      return layer.Multiply(layer.sparse_.forward(), rows, biases).view(sizes);
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
      const Layer& layer = *OfHandle(context->saved_data[kLayer].toInt());
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

  // Channels, then rows and columns of images.
  struct ConvolutionFunction : torch::autograd::Function<ConvolutionFunction> {
    static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                          const Tensor& /*weight*/, const Tensor& bias, int64_t handle) {
      context->saved_data[kLayer] = handle;
      context->save_for_backward({x});
      const Layer& layer = *OfHandle(handle);
      return at::conv2d(x, layer.forward_, bias, layer.stride_);
    }
    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
      const Layer& layer = *OfHandle(context->saved_data[kLayer].toInt());
      const Tensor x = context->get_saved_variables()[0];
      const auto backward = [&](const Tensor& weight, std::array<bool, 3> wanted) {
        const int64_t stride[] = {layer.stride_, layer.stride_}, none[] = {0, 0}, one[] = {1, 1};
        return at::convolution_backward(gradients[0], x, weight, at::IntArrayRef({weight.size(0)}),
                                        stride, none, one, /*transposed=*/false, none,
                                        /*groups=*/1, wanted);
      };
      Tensor x_gradient;
      if (context->needs_input_grad(0)) {
        x_gradient = std::get<0>(backward(layer.backward_, {true, false, false}));
      }
      const auto rest = backward(layer.forward_, {false, true, true});
      return {x_gradient, std::get<1>(rest), std::get<2>(rest), Tensor()};
    }
  };

  int64_t Handle() const { return reinterpret_cast<int64_t>(this); }
  static const Layer* OfHandle(int64_t handle) { return reinterpret_cast<const Layer*>(handle); }

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
  mutable std::vector<Scratch> scratch_;  // of each thread
  int64_t stride_ = 0;                    // of a convolution
  Tensor forward_, backward_;             // of a convolution: its filters, zeros where left out
};

SparseModules::SparseModules(std::shared_ptr<BuiltinPolicy> policy, const Sparsity& sparsity,
                             int threads)
    : SparseNetwork(policy->spec(), sparsity, threads), policy_(std::move(policy)) {
  for (const auto& named : policy_->named_modules()) {
    if (std::ranges::count(sparsity.layers, named.key()) == 0) continue;
    auto* module = dynamic_cast<LayerModule*>(named.value().get());
    MILLRACE_CHECK(module != nullptr, "not a layer");
    layers_.push_back(std::make_unique<Layer>(*module, named.key(), sparsity, *this, layout(),
                                              team(), kernels()));
  }
  MILLRACE_CHECK(layers_.size() == sparsity.layers.size(), "a layer that the policy has not");
}

SparseModules::~SparseModules() = default;

std::vector<const SparseLayer*> SparseModules::Layers() const {
  std::vector<const SparseLayer*> layers;
  for (const auto& layer : layers_) layers.push_back(&layer->sparse());
  return layers;
}

void SparseModules::Packed() {
  for (const auto& layer : layers_) layer->Packed();
}

void SparseModules::PullToZero(std::span<float> flat_gradients) const {
  const auto layers = Layers();
  if (dense() || std::ranges::none_of(layers, [](const SparseLayer* layer) {
        return layer->taking_part() != nullptr;
      })) {
    return;
  }
  AlignedFloats own;
  own.Reserve(static_cast<size_t>(layout().size()));
  layout().Import(flat_gradients, own.data());
  for (const SparseLayer* layer : layers) layer->PullToZero(taken(), own.data());
  layout().Export(own.data(), flat_gradients);
}

namespace {

class SparseModulesEvaluator : public HeadEvaluator {
 public:
  SparseModulesEvaluator(std::shared_ptr<BuiltinPolicy> policy,
                         std::shared_ptr<SparseModules> network, FlatParameters& parameters)
      : network_(std::move(network)),
        parameters_(parameters),
        autograd_(MakeAutogradEvaluator(std::move(policy), parameters)) {}

  HeadOutputs Forward(const TensorDict& minibatch) override {
    return autograd_->Forward(minibatch);
  }
  void Backward(const HeadOutputs& heads) override {
    autograd_->Backward(heads);
    network_->PullToZero(FloatsOf(parameters_.gradients()));
  }

 private:
  const std::shared_ptr<SparseModules> network_;
  FlatParameters& parameters_;
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
