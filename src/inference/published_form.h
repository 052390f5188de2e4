// What travels of an N:M-sparse policy from the trainer to those who act.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "inference/sparsity.h"
#include "inference/weight_blob.h"
#include "millrace/inference/model_spec.h"
#include "sparse/packed_matrix.h"

namespace millrace {

// All parameters in the order of ParameterLayout, but of every layer's weights the packed matrix.
// Thread-compatible.
class PublishedForm {
 public:
  // The forward matrices by the names of their layers.
  using Layers = std::map<std::string, sparse::PackedMatrix, std::less<>>;
  using MatrixOf = absl::FunctionRef<const sparse::PackedMatrix&(const std::string& layer)>;

  PublishedForm(const ModelSpec& spec, const Sparsity& sparsity);

  const ParameterLayout& layout() const { return layout_; }
  size_t bytes() const { return bytes_; }
  uint64_t hash() const { return hash_; }
  // A matrix for every layer; nothing is packed yet.
  Layers MakeLayers() const;

  // `parameters` [layout().num_floats()], of which the weights of layers are not read.
  void Write(std::span<const float> parameters, MatrixOf matrix_of,
             std::span<std::byte> form) const;
  // Leaves the parameters that are weights of layers. kInvalidArgument if the size is wrong,
  // kDataLoss if the bytes cannot have been written.
  absl::Status Read(std::span<const std::byte> form, Layers& layers,
                    std::span<float> parameters) const;
  // From all parameters as they are trained, choosing the weights that take part.
  void Pack(const WeightBlob& parameters, Layers& layers) const;

 private:
  // The layer that an entry has the weights of, or an empty name.
  static std::string LayerOf(const ParameterEntry& entry);

  const ParameterLayout layout_;
  const Sparsity sparsity_;
  size_t bytes_ = 0;
  uint64_t hash_ = 0;
};

}  // namespace millrace
