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
#include "sparse/product_choice.h"

namespace millrace {

// Which weights of a layer take part: in the forward product groups lie along the inputs, in the
// gradient of the inputs along the outputs, each chosen by itself; the gradient of the weights is
// dense (BDWP: Fang et al. 2023, arXiv:2309.13015).
struct LayerPatterns {
  sparse::Pattern forward = sparse::DensePattern();
  sparse::Pattern backward = sparse::DensePattern();
  // The gradient of the inputs is of the weights that the forward product chose, and `backward` is
  // dense (SR-STE: Zhou et al. 2021, arXiv:2102.04010).
  bool backward_as_forward = false;
};

// When the weights that take part are chosen anew.
enum class Refresh : uint8_t {
  kIteration,  // before a version is published, so that all of a version's steps have the same
  kStep,
  kNever,  // once; all others are zero from then on (ASP: Mishra et al. 2021, arXiv:2104.08378)
};

inline sparse::Nonlinearity NonlinearityOf(Activation activation) {
  return activation == Activation::kTanh ? sparse::Nonlinearity::kTanh
                                         : sparse::Nonlinearity::kRelu;
}

struct Sparsity {
  static constexpr char kBackend[] = "nm_sparse";

  LayerPatterns patterns = {.forward = {}, .backward = {}};
  sparse::Precision precision = sparse::Precision::kBfloat16;
  // Of every layer and pass by itself; on the CPU nothing but time depends on it.
  sparse::ProductChoice products = sparse::ProductChoice::kAuto;
  // Names of layers, such as "actor.1": hidden ones, convolutions, and those of attention. What
  // reads the observation is among them only if it is named.
  std::vector<std::string> layers;

  Refresh refresh = Refresh::kIteration;
  int64_t refresh_interval = 1;  // of so many steps or iterations
  // Weights that do not take part are pulled to zero: this times each of them is added to its
  // gradient (SR-STE).
  double decay = 0;
  bool decay_fades = false;  // in equal steps, to nothing at the end of the run
  // Shares of a run (Algorithm::Plan): all weights take part before and from then on.
  double dense_until = 0, dense_from = 1;
  // Adam's second moments stay as the dense beginning left them (STEP: Lu et al. 2023,
  // arXiv:2302.01172).
  bool freeze_variance = false;

  // Dense for all others.
  LayerPatterns Of(const std::string& layer) const;
  bool has_dense_phase() const { return dense_until > 0 || dense_from < 1; }
  // `progress` in [0, 1]; 1 is the end of a run.
  bool DenseAt(double progress) const {
    const bool beginning = progress < dense_until || dense_until >= 1;
    return beginning || (dense_from < 1 && progress >= dense_from);
  }

  double DecayAt(double progress) const { return decay_fades ? decay * (1 - progress) : decay; }

  // Reads pattern ("2:8"), backward_pattern (as pattern; also "forward"), shared_by (1), tiles
  // (false), precision (bfloat16 or float32), products (auto, sparse or dense), layers (regular
  // expressions; all but those that read the observation), refresh (per_iteration, per_step or
  // never), refresh_interval (1), decay (0), decay_fades (false), dense_until (0), dense_from (1)
  // and freeze_variance (false). kInvalidArgument, with the place, if the model has no such layer,
  // or for bfloat16 if it is no mlp.
  static absl::StatusOr<Sparsity> FromOptions(const Options& options, const ModelSpec& spec);
};

}  // namespace millrace
