// What travels of an N:M-sparse policy from the trainer to those who act.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "inference/sparsity.h"
#include "inference/weight_blob.h"
#include "millrace/inference/model_spec.h"
#include "sparse/packed_matrix.h"

namespace millrace {

// The forward matrices by the names of their layers. Thread-compatible.
class PublishedLayers {
 public:
  // While all weights take part, those of sparse layers have dense matrices.
  bool dense() const { return dense_; }
  void set_dense(bool dense) { dense_ = dense; }
  const sparse::PackedMatrix& At(const std::string& layer) const;
  sparse::PackedMatrix& At(const std::string& layer);
  const std::vector<std::string>& names() const { return names_; }

 private:
  friend class PublishedForm;

  using Matrices = std::map<std::string, sparse::PackedMatrix, std::less<>>;

  std::vector<std::string> names_;
  Matrices matrices_;
  Matrices dense_matrices_;  // of sparse layers, if there is a time when all weights take part
  bool dense_ = false;
};

// All parameters in the order of ParameterLayout, but of every layer's weights (of an mlp; of other
// types those of sparse layers) the packed matrix; before them whether all weights take part, if
// there is a time when they do. Thread-compatible.
class PublishedForm {
 public:
  using MatrixOf = absl::FunctionRef<const sparse::PackedMatrix&(const std::string& layer)>;

  PublishedForm(const ModelSpec& spec, const Sparsity& sparsity);

  const ParameterLayout& layout() const { return layout_; }
  size_t bytes() const { return bytes_; }
  uint64_t hash() const { return hash_; }
  // Nothing is packed yet.
  PublishedLayers MakeLayers() const;

  // `parameters` [layout().num_floats()], of which the weights of layers are not read. `dense`:
  // whether all weights take part; matrices are those of PublishedLayers::At() then.
  void Write(std::span<const float> parameters, bool dense, MatrixOf matrix_of,
             std::span<std::byte> form) const;
  // Leaves the parameters that are weights of layers. kInvalidArgument if the size is wrong,
  // kDataLoss if the bytes cannot have been written.
  absl::Status Read(std::span<const std::byte> form, PublishedLayers& layers,
                    std::span<float> parameters) const;
  // One layer from its weights in LibTorch's order, choosing those that take part.
  void PackLayer(std::span<const float> weights, const std::string& name,
                 PublishedLayers& layers) const;
  // From all parameters as they are trained, choosing the weights that take part: all of them if
  // they do so at the end of a run.
  void Pack(const WeightBlob& parameters, PublishedLayers& layers) const;

 private:
  // The packed layer that an entry has the weights of, or an empty name.
  std::string LayerOf(const ParameterEntry& entry) const;
  // Without the word that says whether all weights take part.
  size_t BytesOf(const PublishedLayers& layers) const;

  const ParameterLayout layout_;
  const Sparsity sparsity_;
  const bool all_packed_;
  size_t bytes_ = 0;
  uint64_t hash_ = 0;
};

}  // namespace millrace
