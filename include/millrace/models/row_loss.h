// A loss in closed form, for backends that compute without LibTorch: what costs an operator call a
// term in tensors is one pass over plain rows here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "millrace/data/tensor_view.h"

namespace millrace {

// Head outputs of N rows: single steps, or the steps of a recurrent policy's chunks, the first of
// every chunk, then the second and so on. A part that the action does not have is null. Row r of a
// part begins at its pointer + r * its stride.
struct HeadRows {
  int64_t count = 0;               // N
  const float* logits = nullptr;   // [N, num_choices], masked choices at -1e9
  const float* mean = nullptr;     // [N, continuous_size]
  const float* log_std = nullptr;  // [continuous_size]
  const float* value = nullptr;    // [N], in the value head's units
  int64_t logits_stride = 0, mean_stride = 0, value_stride = 1;
};

// The loss's gradients with respect to them, with the same strides. log_std is zero beforehand; of
// the others every row is written.
struct HeadRowGradients {
  float* logits = nullptr;
  float* mean = nullptr;
  float* log_std = nullptr;
  float* value = nullptr;
};

// Thread-compatible.
class RowLoss {
 public:
  virtual ~RowLoss() = default;

  // The fields of the batch that it reads (Algorithm::Loss has the same), in the order in which
  // Evaluate() gets them. One that the batch lacks comes as a view without data.
  virtual const std::vector<std::string>& fields() const = 0;
  // What Evaluate() reports, for `loss/*`.
  virtual const std::vector<std::string>& metrics() const = 0;
  // The mean over the present rows of one minibatch: gradients, and the metrics in their order.
  // batch: one view [N, ...] per field. True: no further minibatches of this batch
  // (LossResult::stop_epochs).
  virtual bool Evaluate(const HeadRows& heads, std::span<const TensorView> batch,
                        const HeadRowGradients& gradients, std::span<double> metrics) const = 0;
};

}  // namespace millrace
