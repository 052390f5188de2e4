#include "models/onednn_linear.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace millrace {
namespace {

using torch::Tensor;

// Multiplications below which a call costs more than it gains.
constexpr int64_t kLeastProducts = 1 << 24;
constexpr unsigned kFullWidthFamily = 26;   // Zen 5
constexpr char kGradients[] = "gradients";  // in the context of a function: whether by oneDNN

using LinearOp = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&,
                        std::string_view, c10::List<std::optional<at::Scalar>>,
                        std::optional<std::string_view>);

// Nothing in a LibTorch without oneDNN.
const std::optional<c10::TypedOperatorHandle<LinearOp>>& Operator() {
  static const auto op = []() -> std::optional<c10::TypedOperatorHandle<LinearOp>> {
    const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!found.has_value()) return std::nullopt;
    return found->typed<LinearOp>();
  }();
  return op;
}

// Of an AMD processor with AVX-512; 0: another one.
unsigned AmdFamily() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f") &&
      __get_cpuid(1, &a, &b, &c, &d) != 0) {
    return (a >> 8 & 0xF) + (a >> 20 & 0xFF);
  }
#endif
  return 0;
}

class OneDnnFunction : public torch::autograd::Function<OneDnnFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& weight, const Tensor& bias, bool gradients) {
    context->save_for_backward({x, weight});
    context->saved_data[kGradients] = gradients;
    return OneDnnLinear(x, weight, bias);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const Tensor g = gradients[0].contiguous();
    const bool by_onednn = context->saved_data[kGradients].toBool();
    Tensor x_gradient;
    if (context->needs_input_grad(0)) {
      x_gradient =
          by_onednn ? OneDnnLinear(g, weight.t().contiguous(), std::nullopt) : at::mm(g, weight);
    }
    const Tensor weight_gradient =
        by_onednn ? OneDnnLinear(g.t().contiguous(), x.t().contiguous(), std::nullopt)
                  : at::mm(g.t(), x);
    return {x_gradient, weight_gradient, g.sum(0), Tensor()};
  }
};

}  // namespace

Tensor OneDnnLinear(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias) {
  TORCH_CHECK(Operator().has_value(), "this LibTorch has no oneDNN");
  return Operator()->call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

OneDnnProducts OneDnnProductsOf(int64_t rows, int64_t in, int64_t out) {
  static const unsigned family = Operator().has_value() ? AmdFamily() : 0;
  const bool large = rows * in * out >= kLeastProducts;
  return {.forward = family > 0 && large, .gradients = family >= kFullWidthFamily && large};
}

Tensor Linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const int64_t in = weight.size(1);
  if (!x.is_cpu() || x.scalar_type() != torch::kFloat32) return torch::linear(x, weight, bias);
  return Linear(x, weight, bias, OneDnnProductsOf(x.numel() / in, in, weight.size(0)));
}

Tensor Linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const OneDnnProducts& by_onednn) {
  if (!by_onednn.forward) return torch::linear(x, weight, bias);
  auto sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  const Tensor rows = x.reshape({-1, weight.size(1)}).contiguous();
  return OneDnnFunction::apply(rows, weight, bias, by_onednn.gradients).view(sizes);
}

}  // namespace millrace
