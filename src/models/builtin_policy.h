// The built-in models as LibTorch modules.
#pragma once

#include <memory>

#include "millrace/models/policy.h"
#include "models/network_module.h"

namespace millrace {

// Features, then one or two networks, then the heads. Bound to one thread.
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
  const LinearModule& policy_head() const { return *policy_head_; }
  const LinearModule& value_head() const { return *value_head_; }

 private:
  torch::Tensor NoFeatures(const TensorDict& observation) const;

  const ModelSpec spec_;
  std::unique_ptr<NetworkModules> actor_, critic_;  // no critic_: one for both heads
  std::shared_ptr<LinearModule> policy_head_, value_head_;
  torch::Tensor log_std_;
  torch::Tensor observation_mean_, observation_variance_;  // undefined without normaliser
};

}  // namespace millrace
