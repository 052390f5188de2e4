// The built-in models without LibTorch.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "inference/feature_reader.h"
#include "inference/kernels.h"
#include "inference/packed_layer.h"
#include "millrace/inference/inference_model.h"

namespace millrace {

// A stack of layers with the same activation after each. Bound to one thread.
class PackedTrunk {
 public:
  PackedTrunk() = default;
  PackedTrunk(int64_t in, const std::vector<int64_t>& hidden, Activation activation);

  int size() const { return static_cast<int>(layers_.size()); }
  PackedLayer& layer(int index) { return layers_[static_cast<size_t>(index)]; }

  // x [rows, in] -> a matrix with row distance *stride; valid until the next call.
  const float* Apply(const kernels::KernelSet& kernels, const float* x, int64_t rows,
                     int64_t* stride);

 private:
  int64_t in_ = 0;
  Activation activation_ = Activation::kTanh;
  std::vector<PackedLayer> layers_;
  AlignedFloats buffers_[2];
};

// mlp and lstm of ModelSpec. Bound to one thread.
class NativeModel : public InferenceModel {
 public:
  NativeModel(const ModelSpec& spec, const kernels::KernelSet& kernels);

  const ActionSpec& action() const override { return spec_.action; }
  int64_t state_size() const override { return spec_.state_size(); }
  const ParameterLayout& layout() const override { return layout_; }
  absl::Status Load(std::span<const std::byte> blob) override;
  absl::Status Forward(int rows, std::span<const TensorView> observation, std::span<float> state,
                       const HeadSpans& heads) override;

 private:
  std::span<const float> Tensor(std::string_view name) const;  // of weights_; empty if absent
  void PackLinear(const std::string& name, PackedLayer& layer);
  void PackTrunk(const std::string& name, PackedTrunk& trunk);
  void PackLstm();
  absl::Status Check(int rows, std::span<float> state, const HeadSpans& heads) const;
  const float* RunLstm(const float* x, int64_t stride, int rows, std::span<float> state);
  void WritePolicyHead(const float* x, int64_t stride, int rows, const HeadSpans& heads);
  void WriteValue(const float* x, int64_t stride, int rows, std::span<float> value);

  const ModelSpec spec_;
  const ParameterLayout layout_;
  const kernels::KernelSet& kernels_;
  const bool shared_;

  std::vector<float> weights_;  // the blob loaded last
  FeatureReader reader_;
  PackedTrunk trunk_;   // the actor's, or both networks'
  PackedTrunk critic_;  // unused if shared_
  PackedLayer lstm_;    // [features of the trunk, hidden state] -> four gates
  PackedLayer policy_head_;
  PackedLayer value_head_;
  float value_mean_ = 0.0F;
  float value_scale_ = 1.0F;
  std::vector<float> log_std_;
  AlignedFloats lstm_input_, lstm_gates_, lstm_hidden_, lstm_cell_, head_;
};

}  // namespace millrace
