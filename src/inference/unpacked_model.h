// Built-in models other than the mlp with N:M-sparse layers, without LibTorch.
#pragma once

#include <memory>

#include "inference/published_form.h"
#include "inference/weight_blob.h"
#include "millrace/inference/inference_model.h"

namespace millrace {

// Takes packed weights and acts with dense ones, zeros where a weight does not take part. Bound to
// one thread.
class UnpackedModel : public InferenceModel {
 public:
  // `model` acts; its layout is that of `spec`.
  UnpackedModel(const ModelSpec& spec, const Sparsity& sparsity,
                std::unique_ptr<InferenceModel> model);

  const ActionSpec& action() const override { return model_->action(); }
  int64_t state_size() const override { return model_->state_size(); }
  const ParameterLayout& layout() const override { return form_.layout(); }
  size_t weight_bytes() const override { return form_.bytes(); }
  uint64_t layout_hash() const override { return form_.hash(); }
  absl::Status Load(std::span<const std::byte> form) override;
  absl::Status LoadParameters(std::span<const std::byte> parameters) override;
  absl::Status Forward(int rows, std::span<const TensorView> observation, std::span<float> state,
                       const HeadSpans& heads) override {
    return model_->Forward(rows, observation, state, heads);
  }

 private:
  // The packed layers, and all other parameters as they are.
  absl::Status LoadUnpacked();

  const PublishedForm form_;
  const std::unique_ptr<InferenceModel> model_;
  PublishedLayers layers_;
  WeightBlob parameters_;
  std::vector<float> matrix_;
};

}  // namespace millrace
