// What `millrace bench nm_sparse` measures: products, packing, training steps and acting of
// N:M-sparse networks. Teams and weights are kept as references.
#pragma once

#include <cstdint>
#include <functional>

#include "core/thread_team.h"
#include "inference/sparsity.h"
#include "kernels/aligned_buffer.h"

namespace millrace {

// A square layer's forward product, or that for the gradient of its inputs.
struct SparseProductArms {
  std::function<void()> rows;   // from and to float32 rows of a batch
  std::function<void()> chain;  // between two layers: from tiles to tiles, bias and ReLU included
};
SparseProductArms MakeSparseProduct(int64_t rows, int64_t width, bool forward,
                                    const sparse::Pattern& pattern, sparse::Precision precision,
                                    ThreadTeam& team);

// Adam's step of a square layer, part by part; choosing and packing its weights for both products;
// and both, each part packed right after its step, as training does. Layers of the same width may
// share arrays, which are drawn.
enum class PackingWork : uint8_t { kStep, kPack, kStepAndPack };
struct AdamArrays {
  AlignedFloats weights, gradients, mean, variance;
};
std::function<void(PackingWork)> MakePacking(int64_t width, const sparse::Pattern& pattern,
                                             AdamArrays& arrays);

// The mlp of DenseSteps(), its outputs split into logits and a value, and options for it: hidden
// layers but the first are sparse, with weights chosen anew in every step.
ModelSpec BenchedMlp(int64_t width);
Sparsity WithHiddenLayers(Sparsity sparsity);

// A training step of the mlp of DenseSteps(); its hidden layers but the first are sparse, with
// weights chosen anew in every step.
std::function<void()> MakeSparseStep(int64_t rows, int64_t width, const Sparsity& sparsity,
                                     int threads);

// Acting with that mlp: heads from observations, and actions drawn from them. The threads of the
// team share the rows.
std::function<void()> MakeSparseInference(int64_t rows, int64_t width, const Sparsity& sparsity,
                                          ThreadTeam& team);

}  // namespace millrace
