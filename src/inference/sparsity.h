// Which layers of a network are N:M-sparse: the options that trainer, actors and policy workers
// read of `backend: {type: nm_sparse}`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/config/options.h"
#include "millrace/inference/model_spec.h"
#include "sparse/pattern.h"

namespace millrace {

// Which weights of a layer take part: in the forward product groups lie along the inputs, in the
// gradient of the inputs along the outputs, each chosen by itself; the gradient of the weights is
// dense (BDWP: Fang et al. 2023, arXiv:2309.13015).
struct LayerPatterns {
  sparse::Pattern forward = sparse::DensePattern();
  sparse::Pattern backward = sparse::DensePattern();
};

inline sparse::Nonlinearity NonlinearityOf(Activation activation) {
  return activation == Activation::kTanh ? sparse::Nonlinearity::kTanh
                                         : sparse::Nonlinearity::kRelu;
}

struct Sparsity {
  static constexpr char kBackend[] = "nm_sparse";

  LayerPatterns patterns = {.forward = {}, .backward = {}};
  sparse::Precision precision = sparse::Precision::kBfloat16;
  // Names of hidden layers, such as "actor.1"; the first of a trunk, which reads the observation,
  // is among them only if it is named.
  std::vector<std::string> layers;

  // Dense for all others.
  LayerPatterns Of(const std::string& layer) const;

  // Reads pattern ("2:8"), backward_pattern (as pattern), shared_by (1), precision (bfloat16 or
  // float32) and layers (regular expressions; all hidden ones but the first of each trunk).
  // kInvalidArgument, with the place, if the model has no such layer or is of a type whose layers
  // cannot be sparse.
  static absl::StatusOr<Sparsity> FromOptions(const Options& options, const ModelSpec& spec);
};

}  // namespace millrace
