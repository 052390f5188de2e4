#include "backends/nm_sparse/masked_layer.h"

#include <array>

#include "models/cnn_module.h"

namespace millrace {
namespace {

using torch::Tensor;

constexpr char kLayer[] = "layer";  // in the context of a function

}  // namespace

struct MaskedLayer::LinearFunction : torch::autograd::Function<LinearFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& weight, const Tensor& bias, int64_t handle) {
    const auto& layer = *reinterpret_cast<const MaskedLayer*>(handle);
    context->saved_data[kLayer] = handle;
    const Tensor rows = x.reshape({-1, x.size(-1)}).to(layer.type_).contiguous();
    context->save_for_backward({rows});
    auto sizes = x.sizes().vec();
    sizes.back() = weight.size(0);
    const Tensor product = layer.forward_product_ && layer.forward_mask_.defined()
                               ? layer.forward_product_->Multiply(rows)
                               : at::mm(rows, layer.forward_.t());
    return (product.to(torch::kFloat32) + bias).view(sizes);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto& layer = *reinterpret_cast<const MaskedLayer*>(context->saved_data[kLayer].toInt());
    const Tensor rows = context->get_saved_variables()[0];
    const Tensor sums = gradients[0].reshape({rows.size(0), -1});
    const Tensor g = sums.to(layer.type_).contiguous();
    Tensor x_gradient;
    if (context->needs_input_grad(0)) {
      auto sizes = gradients[0].sizes().vec();
      sizes.back() = rows.size(1);
      x_gradient = layer.backward_product_ && layer.backward_mask_.defined()
                       ? layer.backward_product_->Multiply(g)
                       : at::mm(g, layer.backward_);
      x_gradient = x_gradient.to(torch::kFloat32).view(sizes);
    }
    return {x_gradient, at::mm(g.t(), rows).to(torch::kFloat32), sums.sum(0), Tensor()};
  }
};

// Channels, then rows and columns of images.
struct MaskedLayer::ConvolutionFunction : torch::autograd::Function<ConvolutionFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& /*weight*/, const Tensor& bias, int64_t handle) {
    const auto& layer = *reinterpret_cast<const MaskedLayer*>(handle);
    context->saved_data[kLayer] = handle;
    context->save_for_backward({x});
    return at::conv2d(x, layer.forward_, bias, layer.stride_);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto& layer = *reinterpret_cast<const MaskedLayer*>(context->saved_data[kLayer].toInt());
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

MaskedLayer::MaskedLayer(LayerModule& module, const Settings& settings)
    : module_(module),
      type_(settings.precision == sparse::Precision::kBfloat16 ? torch::kBFloat16
                                                               : torch::kFloat32) {
  const auto handle = reinterpret_cast<int64_t>(this);
  if (const auto* convolution = dynamic_cast<ConvolutionModule*>(&module)) {
    stride_ = convolution->stride();
    module.ComputeWith([this, handle](const Tensor& x) {
      return ConvolutionFunction::apply(x, module_.weight, module_.bias, handle);
    });
    return;
  }
  module.ComputeWith([this, handle](const Tensor& x) {
    return LinearFunction::apply(x, module_.weight, module_.bias, handle);
  });
  if (type_ != torch::kBFloat16 || !module.weight.is_cuda()) return;
  const int64_t out = module.weight.size(0), in = module.weight.size(1);
  if (SemiStructuredMatrix::Fits(out, in, settings.forward)) {
    forward_product_.emplace(settings.products);
  }
  if (SemiStructuredMatrix::Fits(in, out, settings.backward)) {
    backward_product_.emplace(settings.products);
  }
}

MaskedLayer::~MaskedLayer() { module_.ComputeWith(nullptr); }

void MaskedLayer::SetMasks(const Tensor& forward, const Tensor& backward) {
  forward_mask_ = forward;
  backward_mask_ = backward;
}

void MaskedLayer::Update() {
  const torch::NoGradGuard no_gradient;
  Tensor weight = module_.weight.detach().to(type_);
  if (stride_ > 0) weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
  const auto masked = [&](const Tensor& mask) {
    return mask.defined() ? weight.masked_fill(mask.logical_not(), 0) : weight;
  };
  forward_ = masked(forward_mask_);
  backward_ = masked(backward_mask_);
  if (forward_product_) forward_product_->Set(forward_);
  if (backward_product_) backward_product_->Set(backward_.t().contiguous());
}

}  // namespace millrace
