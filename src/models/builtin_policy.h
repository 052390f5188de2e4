// The built-in models as LibTorch modules.
#pragma once

#include <vector>

#include "millrace/core/rng.h"
#include "millrace/models/policy.h"

namespace millrace {

// A fully connected layer, y = x W^T + b.
class LinearModule : public torch::nn::Module {
 public:
  LinearModule(int64_t in, int64_t out, double gain, Rng& rng);
  torch::Tensor Forward(const torch::Tensor& x) const;

  torch::Tensor weight;  // [out, in]
  torch::Tensor bias;    // [out]
};

// Hidden layers "0", "1", ..., each followed by the activation.
class TrunkModule : public torch::nn::Module {
 public:
  TrunkModule(int64_t in, const std::vector<int64_t>& hidden, Activation activation, Rng& rng);
  torch::Tensor Forward(torch::Tensor x) const;
  const std::vector<std::shared_ptr<LinearModule>>& layers() const { return layers_; }

 private:
  Activation activation_;
  std::vector<std::shared_ptr<LinearModule>> layers_;
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

// mlp and lstm of ModelSpec. Bound to one thread.
class BuiltinPolicy : public Policy {
 public:
  BuiltinPolicy(const ModelSpec& spec, uint64_t seed);

  HeadOutputs Forward(const TensorDict& observation, const torch::Tensor& first,
                      const torch::Tensor& state) override;
  int64_t state_size() const override { return spec_.state_size(); }
  ParameterLayout layout() const override { return ParameterLayout(spec_); }

  // For a backend that computes the layers itself.
  const ModelSpec& spec() const { return spec_; }
  // Observation fields [..., shape] -> features [..., F] before and after normalisation, without
  // gradient.
  torch::Tensor RawFeatures(const TensorDict& observation) const;
  torch::Tensor Features(const TensorDict& observation) const;
  // The outputs of the policy head [..., choices + reals] as heads, with masked logits; `value` is
  // left undefined.
  HeadOutputs SplitPolicyHead(const torch::Tensor& out, const TensorDict& observation) const;
  const TrunkModule& trunk() const { return *trunk_; }
  const TrunkModule* critic() const { return critic_.get(); }  // null if there is one trunk
  const LinearModule& policy_head() const { return *policy_head_; }
  const LinearModule& value_head() const { return *value_head_; }

 private:
  const ModelSpec spec_;
  std::shared_ptr<TrunkModule> trunk_, critic_;
  std::shared_ptr<LstmModule> lstm_;
  std::shared_ptr<LinearModule> policy_head_, value_head_;
  torch::Tensor log_std_;
  torch::Tensor observation_mean_, observation_variance_;  // undefined without normaliser
};

}  // namespace millrace
