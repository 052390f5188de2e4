#include "cli/torch/dense_arms.h"

#include <memory>

#include "models/onednn_linear.h"

namespace millrace {
namespace {

using torch::Tensor;

// All three products by oneDNN.
class OneDnnFunction : public torch::autograd::Function<OneDnnFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& weight, const Tensor& bias) {
    context->save_for_backward({x, weight});
    return OneDnnLinear(x, weight, bias);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor g = gradients[0].contiguous();
    Tensor x_gradient;
    if (context->needs_input_grad(0)) {
      x_gradient = OneDnnLinear(g, saved[1].t().contiguous(), std::nullopt);
    }
    return {x_gradient, OneDnnLinear(g.t().contiguous(), saved[0].t().contiguous(), std::nullopt),
            g.sum(0)};
  }
};

class Step {
 public:
  enum class Kind { kFloat32, kOneDnn, kBfloat16 };

  Step(int64_t rows, int64_t width, Kind kind, torch::Device device = torch::kCPU)
      : kind_(kind),
        x_(torch::randn({rows, 64}, device)),
        target_(torch::ones({rows, 16}, device)) {
    const int64_t sizes[] = {64, width, width, width, 16};
    for (size_t i = 0; i + 1 < std::size(sizes); ++i) {
      auto linear = torch::nn::Linear(sizes[i], sizes[i + 1]);
      linear->to(device);
      layers_.push_back(linear);
      for (const Tensor& parameter : linear->parameters()) {
        parameters_.push_back(parameter);
        means_.push_back(torch::zeros_like(parameter));
        variances_.push_back(torch::zeros_like(parameter));
        steps_.push_back(torch::zeros({}, device));
      }
    }
  }

  // Without gradients, and with the weights as they are now.
  void Infer() {
    const torch::NoGradGuard no_gradient;
    if (kind_ == Kind::kBfloat16) {
      for (torch::nn::Linear& layer : layers_) layer->to(torch::kBFloat16);
    }
    Outputs();
  }

  void Run() {
    for (Tensor& parameter : parameters_) parameter.mutable_grad() = Tensor();
    Forward().backward();
    const torch::NoGradGuard no_gradient;
    std::vector<Tensor> gradients;
    for (const Tensor& parameter : parameters_) gradients.push_back(parameter.grad());
    torch::nn::utils::clip_grad_norm_(parameters_, 0.5);
    for (Tensor& step : steps_) step.add_(1);
    at::_fused_adam_(parameters_, gradients, means_, variances_, {}, steps_, /*lr=*/1e-4, 0.9,
                     0.999, /*weight_decay=*/0, 1e-5, /*amsgrad=*/false, /*maximize=*/false);
  }

 private:
  Tensor Apply(torch::nn::LinearImpl& layer, const Tensor& x) const {
    if (kind_ == Kind::kOneDnn) return OneDnnFunction::apply(x, layer.weight, layer.bias);
    if (kind_ == Kind::kFloat32) return layer.forward(x);
    // What autocast does.
    const auto half = [](const Tensor& tensor) { return tensor.to(torch::kBFloat16); };
    return torch::linear(half(x), half(layer.weight), half(layer.bias));
  }

  Tensor Forward() { return torch::mse_loss(Outputs(), target_); }

  Tensor Outputs() {
    Tensor x = x_;
    for (size_t i = 0; i < layers_.size(); ++i) {
      x = Apply(*layers_[i], x);
      if (i + 1 < layers_.size()) x = x.relu();
    }
    return x.to(torch::kFloat32);
  }

  const Kind kind_;
  const Tensor x_, target_;
  std::vector<torch::nn::Linear> layers_;
  std::vector<Tensor> parameters_, means_, variances_, steps_;
};

std::vector<BenchArm> Arms(int64_t rows, int64_t width, void (Step::*run)()) {
  std::vector<BenchArm> arms;
  for (const auto& [name, kind] : {std::pair{"fp32", Step::Kind::kFloat32},
                                   {"fp32_onednn", Step::Kind::kOneDnn},
                                   {"bf16", Step::Kind::kBfloat16}}) {
    const auto step = std::make_shared<Step>(rows, width, kind);
    arms.push_back({name, [step, run] { (step.get()->*run)(); }});
  }
  return arms;
}

// Calls of a GPU in float32, in TF32 and in bfloat16, each until it is done.
std::vector<BenchArm> GpuArms(torch::Device device, const std::function<void()>& float32,
                              const std::function<void()>& bfloat16) {
  const auto timed = [device](const std::function<void()>& call, bool tf32) {
    return [=] {
      at::globalContext().setAllowTF32CuBLAS(tf32);
      call();
      at::globalContext().setAllowTF32CuBLAS(false);
      if (device.is_cuda()) torch::cuda::synchronize(device.index());
    };
  };
  return {{"fp32", timed(float32, false)},
          {"tf32", timed(float32, true)},
          {"bf16", timed(bfloat16, false)}};
}

}  // namespace

std::vector<BenchArm> DenseGpuProducts(int64_t rows, int64_t in, int64_t out,
                                       torch::Device device) {
  const Tensor x = torch::randn({rows, in}, device), w = torch::randn({out, in}, device);
  const Tensor half_x = x.to(torch::kBFloat16), half_w = w.to(torch::kBFloat16);
  return GpuArms(
      device, [=] { at::mm(x, w.t()); }, [=] { at::mm(half_x, half_w.t()); });
}

std::vector<BenchArm> DenseGpuSteps(int64_t rows, int64_t width, torch::Device device) {
  const auto float32 = std::make_shared<Step>(rows, width, Step::Kind::kFloat32, device);
  const auto bfloat16 = std::make_shared<Step>(rows, width, Step::Kind::kBfloat16, device);
  return GpuArms(
      device, [=] { float32->Run(); }, [=] { bfloat16->Run(); });
}

std::vector<BenchArm> DenseProducts(int64_t rows, int64_t in, int64_t out) {
  const Tensor x = torch::randn({rows, in}), w = torch::randn({out, in});
  const Tensor half_x = x.to(torch::kBFloat16), half_w = w.to(torch::kBFloat16);
  return {{"fp32", [=] { at::mm(x, w.t()); }},
          {"fp32_onednn", [=] { OneDnnLinear(x, w, std::nullopt); }},
          {"bf16", [=] { at::mm(half_x, half_w.t()); }}};
}

std::vector<BenchArm> DenseSteps(int64_t rows, int64_t width) {
  return Arms(rows, width, &Step::Run);
}

std::vector<BenchArm> DenseInference(int64_t rows, int64_t width) {
  return Arms(rows, width, &Step::Infer);
}

}  // namespace millrace
