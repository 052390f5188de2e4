// Built-in models other than the mlp with N:M-sparse layers, without LibTorch.
#pragma once

#include <memory>
#include <vector>

#include "inference/packed_model.h"

namespace millrace {

// Takes packed weights and acts with dense ones, zeros where a weight does not take part. Bound to
// one thread.
class UnpackedModel final : public PackedModel {
 public:
  // `model` acts; its layout is that of `spec`.
  UnpackedModel(const ModelSpec& spec, const Sparsity& sparsity,
                std::unique_ptr<InferenceModel> model);

  const ActionSpec& action() const override { return model_->action(); }
  int64_t state_size() const override { return model_->state_size(); }
  absl::Status Forward(int rows, std::span<const TensorView> observation, std::span<float> state,
                       const HeadSpans& heads) override {
    return model_->Forward(rows, observation, state, heads);
  }

 private:
  absl::Status TakeWeights() override;

  const std::unique_ptr<InferenceModel> model_;
  std::vector<float> matrix_;
};

}  // namespace millrace
