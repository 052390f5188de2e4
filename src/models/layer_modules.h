// The layers of the built-in models as LibTorch modules. Each is bound to one thread.
#pragma once

#include "millrace/core/rng.h"
#include "millrace/inference/model_spec.h"
#include "millrace/models/torch.h"

namespace millrace {

// Gain of the orthogonal initialisation of a trunk's layers.
extern const double kTrunkGain;

torch::Tensor OrthogonalMatrix(int64_t rows, int64_t columns, double gain, Rng& rng);

torch::Tensor Activate(const torch::Tensor& x, Activation activation);

// A fully connected layer, y = x W^T + b.
class LinearModule : public torch::nn::Module {
 public:
  LinearModule(int64_t in, int64_t out, double gain, Rng& rng);
  torch::Tensor Forward(const torch::Tensor& x) const;

  torch::Tensor weight;  // [out, in]
  torch::Tensor bias;    // [out]
};

// Layer normalisation over the last dimension.
class NormModule : public torch::nn::Module {
 public:
  explicit NormModule(int64_t width);
  torch::Tensor Forward(const torch::Tensor& x) const;

 private:
  torch::Tensor weight_, bias_;
};

// An LSTM layer; its gates are in the order input, forget, cell, output.
class LstmModule : public torch::nn::Module {
 public:
  LstmModule(int64_t in, int64_t size, Rng& rng);
  struct Outputs {
    torch::Tensor hidden;  // [L, N, size]
    torch::Tensor state;   // [N, 2 x size] after the last step
  };
  // x [L, N, in], first [L, N] (1: the state restarts from zero), state [N, 2 x size]
  Outputs Forward(const torch::Tensor& x, const torch::Tensor& first,
                  const torch::Tensor& state) const;

 private:
  int64_t size_;
  torch::Tensor weight_ih_, weight_hh_, bias_ih_, bias_hh_;
};

}  // namespace millrace
