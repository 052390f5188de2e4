// Heads and gradients of an N:M-sparse network for algorithms whose losses are tensors.
#pragma once

#include <memory>

#include "backends/dense/head_evaluator.h"
#include "backends/nm_sparse/sparse_policy.h"
#include "models/builtin_policy.h"

namespace millrace {

// The owner of the network has it take the parameters (SparsePolicy::taken()) after every change.
// The reference is kept.
std::unique_ptr<HeadEvaluator> MakeSparseEvaluator(std::shared_ptr<BuiltinPolicy> policy,
                                                   std::shared_ptr<SparsePolicy> network,
                                                   FlatParameters& parameters);

}  // namespace millrace
