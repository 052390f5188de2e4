// N:M-sparse layers within the LibTorch modules of a built-in model.
#pragma once

#include <memory>
#include <vector>

#include "backends/dense/head_evaluator.h"
#include "backends/nm_sparse/sparse_network.h"
#include "models/builtin_policy.h"

namespace millrace {

// Which layers leave weights out of their products in our kernels: fully connected ones, in
// float32, or none. All others are MaskedLayers.
enum class ModuleProducts : uint8_t { kKernels, kMasked };

// The sparse layers of a model whose other parts LibTorch computes. Gradients of weights are dense.
// What the modules compute is of the weights that were packed last, or, if all are masked,
// followed.
class SparseModules final : public SparseNetwork {
 public:
  // Takes over the sparse layers of `policy`, and gives them back at its end.
  SparseModules(std::shared_ptr<BuiltinPolicy> policy, const Sparsity& sparsity, int threads,
                ModuleProducts products);
  ~SparseModules() override;

  std::vector<const SparseLayer*> Layers() const override;
  // The pull to zero, or weights that stay zero, in the gradients of the policy's parameters.
  void PullToZero() const;

 private:
  class Layer;

  bool Follow() override;
  void Packed(bool others) override;

  const std::shared_ptr<BuiltinPolicy> policy_;
  const ModuleProducts products_;
  const bool fixed_;  // weights that do not take part stay zero
  std::vector<std::unique_ptr<Layer>> layers_;
};

// By autograd through the policy's modules. References are kept.
std::unique_ptr<HeadEvaluator> MakeSparseModulesEvaluator(std::shared_ptr<BuiltinPolicy> policy,
                                                          std::shared_ptr<SparseModules> network,
                                                          FlatParameters& parameters);

}  // namespace millrace
