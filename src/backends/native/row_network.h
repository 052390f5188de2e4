// A network that a RowTrainer trains without LibTorch.
#pragma once

#include <cstdint>
#include <span>

#include "backends/native/native_minibatch.h"
#include "kernels/kernels.h"

namespace millrace {

// Of a network's size, in its order.
struct AdamBuffers {
  const float* gradients;
  float *parameters, *mean, *variance;
};

// `parameters` and `gradients` are buffers of size() floats in an order of the network's own. Bound
// to one thread.
class RowNetwork {
 public:
  virtual ~RowNetwork() = default;

  virtual int64_t size() const = 0;
  // Translate from and to the order of ParameterLayout: parameters, or anything that there is one
  // of for each.
  virtual void Import(std::span<const float> flat, float* own) const = 0;
  virtual void Export(const float* own, std::span<float> flat) const = 0;
  // Of continuous actions, the last parameter; in parameters and gradients alike.
  virtual int64_t log_std_offset() const = 0;

  // Outputs of the heads, valid until the next Forward(): [rows, policy_stride] with logits, then
  // means; [rows, value_stride], of which the first column counts.
  struct Heads {
    float* policy = nullptr;
    float* value = nullptr;
    int64_t policy_stride = 0, value_stride = 0;
  };
  virtual Heads Forward(const float* parameters, const NativeMinibatch& batch) = 0;
  // Writes `gradients` (but for log_std) from those of the heads, with the strides of the last
  // Forward() and zero in the padding.
  virtual void Backward(const float* parameters, const NativeMinibatch& batch,
                        const float* policy_gradient, const float* value_gradient,
                        float* gradients) = 0;
  // One step of Adam. Whoever changes parameters elsewhere, between batches, sees to what the
  // network keeps of them itself.
  virtual void Step(const kernels::AdamStep& step, const AdamBuffers& buffers) = 0;
};

}  // namespace millrace
