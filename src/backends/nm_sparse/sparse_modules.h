// N:M-sparse layers within the LibTorch modules of a built-in model.
#pragma once

#include <memory>
#include <vector>

#include "backends/dense/head_evaluator.h"
#include "backends/nm_sparse/sparse_network.h"
#include "models/builtin_policy.h"

namespace millrace {

// The sparse layers of models other than the mlp, whose other parts LibTorch computes. Products of
// fully connected layers leave weights out; those of convolutions are dense, with zeros in their
// place. Gradients of weights are dense. What the modules compute is of the weights that were
// packed last. In float32.
class SparseModules final : public SparseNetwork {
 public:
  // Takes over the sparse layers of `policy`, and gives them back at its end.
  SparseModules(std::shared_ptr<BuiltinPolicy> policy, const Sparsity& sparsity, int threads);
  ~SparseModules() override;

  std::vector<const SparseLayer*> Layers() const override;
  // The pull to zero, or weights that stay zero, in the gradients of all parameters.
  void PullToZero(std::span<float> flat_gradients) const;

 private:
  class Layer;

  void Packed() override;

  const std::shared_ptr<BuiltinPolicy> policy_;
  std::vector<std::unique_ptr<Layer>> layers_;
};

// By autograd through the policy's modules. References are kept.
std::unique_ptr<HeadEvaluator> MakeSparseModulesEvaluator(std::shared_ptr<BuiltinPolicy> policy,
                                                          std::shared_ptr<SparseModules> network,
                                                          FlatParameters& parameters);

}  // namespace millrace
