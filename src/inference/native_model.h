// The built-in models without LibTorch.
#pragma once

#include <optional>

#include "inference/feature_reader.h"
#include "inference/native_network.h"
#include "inference/output_heads.h"
#include "millrace/inference/inference_model.h"

namespace millrace {

// Features, then one or two networks, then the heads. Bound to one thread.
class NativeModel : public InferenceModel {
 public:
  NativeModel(const ModelSpec& spec, const kernels::KernelSet& kernels);

  const ActionSpec& action() const override { return spec_.action; }
  int64_t state_size() const override { return spec_.state_size(); }
  const ParameterLayout& layout() const override { return weights_.layout(); }
  absl::Status Load(std::span<const std::byte> blob) override;
  absl::Status Forward(int rows, std::span<const TensorView> observation, std::span<float> state,
                       const HeadSpans& heads) override;

 private:
  absl::Status Check(int rows, std::span<float> state, const HeadSpans& heads) const;
  // Valid until the next call.
  RowMatrix ApplyHead(const PackedLayer& head, const RowMatrix& x, int rows);

  const ModelSpec spec_;
  const kernels::KernelSet& kernels_;

  WeightBlob weights_;
  OutputHeads heads_;
  FeatureReader reader_;
  NativeNetwork actor_;                  // or both networks'
  std::optional<NativeNetwork> critic_;  // unless there is one trunk
  PackedLayer policy_head_;
  PackedLayer value_head_;
  AlignedFloats head_;
};

}  // namespace millrace
