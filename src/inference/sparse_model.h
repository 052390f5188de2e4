// The built-in mlp with N:M-sparse layers, without LibTorch: it acts on packed weights.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/dense_input.h"
#include "inference/feature_reader.h"
#include "inference/output_heads.h"
#include "inference/packed_model.h"

namespace millrace {

// Computes what the N:M-sparse trainer computes, in the same kernels: the same bits on processors
// that run the same ones. Bound to one thread.
class SparseModel final : public PackedModel {
 public:
  SparseModel(const ModelSpec& spec, const Sparsity& sparsity);

  const ActionSpec& action() const override { return spec_.action; }
  int64_t state_size() const override { return 0; }
  absl::Status Forward(int rows, std::span<const TensorView> observation, std::span<float> state,
                       const HeadSpans& heads) override;

 private:
  struct Layer {
    const sparse::PackedMatrix* weights;  // of the version that was loaded
    AlignedFloats bias;                   // filled up to a whole panel
  };
  // Hidden layers and a head.
  struct Branch {
    Branch(const ModelSpec& spec, Network network) : input(spec, network) {}
    DenseInput input;
    std::vector<Layer> hidden;
  };

  Layer MakeLayer(const std::string& name) const;
  Branch MakeBranch(Network network) const;
  absl::Status TakeWeights() override;
  // The output of the hidden layers for rows [begin, begin + rows) of the input; valid until the
  // next call.
  const std::byte* Hidden(const Branch& branch, const float* input, int64_t rows);
  // [rows, outputs filled up to whole panels]; valid until the next call.
  RowMatrix ApplyHead(const Layer& head, const std::byte* hidden, int64_t rows);

  const ModelSpec spec_;
  const sparse::KernelSet& kernels_;
  const sparse::Nonlinearity activation_;
  OutputHeads heads_;
  FeatureReader reader_;
  Branch actor_;  // or the one branch that both heads read
  std::optional<Branch> critic_;
  Layer policy_head_, value_head_;
  AlignedFloats scratch_, head_;
  AlignedBuffer<std::byte> tiles_[2];  // inputs and outputs of a layer, in turn
};

}  // namespace millrace
