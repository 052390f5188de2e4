// What models that take packed weights have in common.
#pragma once

#include "inference/published_form.h"
#include "inference/weight_blob.h"
#include "millrace/inference/inference_model.h"

namespace millrace {

// Takes published weights, or packs those of a checkpoint. Bound to one thread.
class PackedModel : public InferenceModel {
 public:
  const ParameterLayout& layout() const override { return form_.layout(); }
  size_t weight_bytes() const override { return form_.bytes(); }
  uint64_t layout_hash() const override { return form_.hash(); }
  absl::Status Load(std::span<const std::byte> form) override;
  absl::Status LoadParameters(std::span<const std::byte> parameters) override;

 protected:
  PackedModel(const ModelSpec& spec, const Sparsity& sparsity);

  // False after published weights that cannot have been written.
  bool loaded() const { return loaded_; }
  PublishedLayers& layers() { return layers_; }
  const PublishedLayers& layers() const { return layers_; }
  WeightBlob& parameters() { return parameters_; }

 private:
  // layers() and parameters() are new ones.
  virtual absl::Status TakeWeights() = 0;

  const PublishedForm form_;
  PublishedLayers layers_;
  WeightBlob parameters_;  // of published ones all but the weights of layers
  bool loaded_ = false;
};

}  // namespace millrace
