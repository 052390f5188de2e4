// The layers of the built-in models as LibTorch modules. Each is bound to one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "millrace/core/rng.h"
#include "millrace/inference/model_spec.h"
#include "millrace/models/torch.h"

namespace millrace {

// Gain of the orthogonal initialisation of a trunk's layers.
extern const double kTrunkGain;

torch::Tensor OrthogonalMatrix(int64_t rows, int64_t columns, double gain, Rng& rng);

torch::Tensor Activate(const torch::Tensor& x, Activation activation);

// A module with children under names of its own, for names such as "entity.FIELD.weight".
class GroupModule : public torch::nn::Module {
 public:
  template <typename T>
  std::shared_ptr<T> Add(const std::string& name, std::shared_ptr<T> module) {
    return register_module(name, std::move(module));
  }
};

// A layer with weights and biases, whose products a backend may compute in its own way.
class LayerModule : public torch::nn::Module {
 public:
  // From an input as Forward() takes it to what that returns, with gradients.
  using Function = std::function<torch::Tensor(const torch::Tensor& x)>;

  torch::Tensor Forward(const torch::Tensor& x) const {
    return function_ ? function_(x) : Apply(x);
  }
  // Null: LibTorch computes.
  void ComputeWith(Function function) { function_ = std::move(function); }

  torch::Tensor weight;  // [out, in, ...]
  torch::Tensor bias;    // [out]

 private:
  virtual torch::Tensor Apply(const torch::Tensor& x) const = 0;

  Function function_;
};

// A fully connected layer, y = x W^T + b.
class LinearModule : public LayerModule {
 public:
  LinearModule(int64_t in, int64_t out, double gain, Rng& rng);

 private:
  torch::Tensor Apply(const torch::Tensor& x) const override;
};

// Layer normalisation over the last dimension.
class NormModule : public torch::nn::Module {
 public:
  explicit NormModule(int64_t width);
  torch::Tensor Forward(const torch::Tensor& x) const;

 private:
  torch::Tensor weight_, bias_;
};

// A recurrent layer.
class CellModule : public torch::nn::Module {
 public:
  struct Outputs {
    torch::Tensor hidden;  // [L, N, size]
    torch::Tensor state;   // [N, size of the state] after the last step
  };
  // x [L, N, in], first [L, N] (1: the state restarts from zero), state [N, size of the state]
  virtual Outputs Forward(const torch::Tensor& x, const torch::Tensor& first,
                          const torch::Tensor& state) const = 0;

 protected:
  CellModule(int64_t in, int64_t size, int64_t gates, Rng& rng);

  const int64_t size_;
  torch::Tensor weight_ih_, weight_hh_, bias_ih_, bias_hh_;
};

// Gates in the order input, forget, cell, output; state: hidden, then cell.
class LstmModule : public CellModule {
 public:
  LstmModule(int64_t in, int64_t size, Rng& rng) : CellModule(in, size, 4, rng) {}
  Outputs Forward(const torch::Tensor& x, const torch::Tensor& first,
                  const torch::Tensor& state) const override;
};

// Gates in the order reset, update, new; state: hidden.
class GruModule : public CellModule {
 public:
  GruModule(int64_t in, int64_t size, Rng& rng) : CellModule(in, size, 3, rng) {}
  Outputs Forward(const torch::Tensor& x, const torch::Tensor& first,
                  const torch::Tensor& state) const override;
};

}  // namespace millrace
