#include "models/layer_modules.h"

#include <cmath>

#include "models/onednn_linear.h"
#include "models/orthogonal.h"

namespace millrace {

const double kTrunkGain = std::sqrt(2.0);

torch::Tensor OrthogonalMatrix(int64_t rows, int64_t columns, double gain, Rng& rng) {
  torch::Tensor matrix = torch::empty({rows, columns});
  FillOrthogonal(rows, columns, gain, rng,
                 {matrix.data_ptr<float>(), static_cast<size_t>(matrix.numel())});
  return matrix;
}

torch::Tensor Activate(const torch::Tensor& x, Activation activation) {
  return activation == Activation::kTanh ? torch::tanh(x) : torch::relu(x);
}

LinearModule::LinearModule(int64_t in, int64_t out, double gain, Rng& rng) {
  weight = register_parameter("weight", OrthogonalMatrix(out, in, gain, rng));
  bias = register_parameter("bias", torch::zeros({out}));
}

torch::Tensor LinearModule::Apply(const torch::Tensor& x) const { return Linear(x, weight, bias); }

NormModule::NormModule(int64_t width) {
  weight_ = register_parameter("weight", torch::ones({width}));
  bias_ = register_parameter("bias", torch::zeros({width}));
}

torch::Tensor NormModule::Forward(const torch::Tensor& x) const {
  return torch::layer_norm(x, weight_.sizes(), weight_, bias_, /*eps=*/1e-5);
}

CellModule::CellModule(int64_t in, int64_t size, int64_t gates, Rng& rng) : size_(size) {
  std::vector<torch::Tensor> from_input, from_hidden;
  for (int64_t gate = 0; gate < gates; ++gate) {
    from_input.push_back(OrthogonalMatrix(size, in, 1.0, rng));
    from_hidden.push_back(OrthogonalMatrix(size, size, 1.0, rng));
  }
  weight_ih_ = register_parameter("weight_ih", torch::cat(from_input));
  weight_hh_ = register_parameter("weight_hh", torch::cat(from_hidden));
  bias_ih_ = register_parameter("bias_ih", torch::zeros({gates * size}));
  bias_hh_ = register_parameter("bias_hh", torch::zeros({gates * size}));
}

LstmModule::Outputs LstmModule::Forward(const torch::Tensor& x, const torch::Tensor& first,
                                        const torch::Tensor& state) const {
  const torch::Tensor projected = torch::linear(x, weight_ih_, bias_ih_ + bias_hh_);
  const torch::Tensor keep = 1.0F - first.to(torch::kFloat32).unsqueeze(-1);
  const torch::Tensor recurrent = weight_hh_.t();
  torch::Tensor hidden = state.narrow(-1, 0, size_);
  torch::Tensor cell = state.narrow(-1, size_, size_);
  std::vector<torch::Tensor> outputs;
  for (int64_t step = 0; step < x.size(0); ++step) {
    hidden = hidden * keep[step];
    cell = cell * keep[step];
    const auto gates = torch::addmm(projected[step], hidden, recurrent).chunk(4, -1);
    cell = torch::sigmoid(gates[1]) * cell + torch::sigmoid(gates[0]) * torch::tanh(gates[2]);
    hidden = torch::sigmoid(gates[3]) * torch::tanh(cell);
    outputs.push_back(hidden);
  }
  return {torch::stack(outputs), torch::cat({hidden, cell}, -1)};
}

GruModule::Outputs GruModule::Forward(const torch::Tensor& x, const torch::Tensor& first,
                                      const torch::Tensor& state) const {
  const torch::Tensor projected = torch::linear(x, weight_ih_, bias_ih_);
  const torch::Tensor keep = 1.0F - first.to(torch::kFloat32).unsqueeze(-1);
  torch::Tensor hidden = state;
  std::vector<torch::Tensor> outputs;
  for (int64_t step = 0; step < x.size(0); ++step) {
    hidden = hidden * keep[step];
    const auto input = projected[step].chunk(3, -1);
    const auto recurrent = torch::linear(hidden, weight_hh_, bias_hh_).chunk(3, -1);
    const torch::Tensor reset = torch::sigmoid(input[0] + recurrent[0]);
    const torch::Tensor update = torch::sigmoid(input[1] + recurrent[1]);
    const torch::Tensor fresh = torch::tanh(input[2] + reset * recurrent[2]);
    hidden = fresh + update * (hidden - fresh);
    outputs.push_back(hidden);
  }
  return {torch::stack(outputs), hidden};
}

}  // namespace millrace
