#include "inference/published_form.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/fnv1a.h"
#include "inference/layer_matrix.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"
#include "sparse/kernel_choice.h"

namespace millrace {
namespace {

size_t SizeOf(const ParameterEntry& entry) { return static_cast<size_t>(NumElements(entry.shape)); }

}  // namespace

const sparse::PackedMatrix& PublishedLayers::At(const std::string& layer) const {
  if (dense_) {
    const auto found = dense_matrices_.find(layer);
    if (found != dense_matrices_.end()) return found->second;
  }
  return matrices_.at(layer);
}

sparse::PackedMatrix& PublishedLayers::At(const std::string& layer) {
  return const_cast<sparse::PackedMatrix&>(std::as_const(*this).At(layer));
}

PublishedForm::PublishedForm(const ModelSpec& spec, const Sparsity& sparsity)
    : layout_(spec), sparsity_(sparsity), all_packed_(spec.type == "mlp") {
  PublishedLayers layers = MakeLayers();
  bytes_ = BytesOf(layers);
  Fnv1a hash;
  hash.Add(layout_.hash());
  hash.Add(static_cast<uint64_t>(sparsity.precision));
  for (const std::string& name : layers.names()) {
    const sparse::Pattern& pattern = layers.At(name).pattern();
    hash.Add(std::string_view(name));
    for (const int64_t number :
         {pattern.kept, pattern.group, pattern.shared_by, int64_t{pattern.tiles}}) {
      hash.Add(static_cast<uint64_t>(number));
    }
  }
  if (sparsity_.has_dense_phase()) {
    layers.set_dense(true);
    bytes_ = sizeof(uint32_t) + std::max(bytes_, BytesOf(layers));
    hash.Add(std::string_view("dense at times"));
  }
  hash_ = hash.state();
}

size_t PublishedForm::BytesOf(const PublishedLayers& layers) const {
  size_t bytes = 0;
  for (const std::string& name : layers.names()) bytes += layers.At(name).wire_bytes();
  for (const ParameterEntry& entry : layout_.entries()) {
    if (LayerOf(entry).empty()) bytes += SizeOf(entry) * sizeof(float);
  }
  return bytes;
}

std::string PublishedForm::LayerOf(const ParameterEntry& entry) const {
  const std::string name = LayerNameOf(entry);
  return all_packed_ || std::ranges::count(sparsity_.layers, name) > 0 ? name : "";
}

PublishedLayers PublishedForm::MakeLayers() const {
  const sparse::KernelSet& kernels = sparse::BestKernels(sparsity_.precision);
  PublishedLayers layers;
  for (const ParameterEntry& entry : layout_.entries()) {
    const std::string name = LayerOf(entry);
    if (name.empty()) continue;
    const sparse::Pattern& pattern = sparsity_.Of(name).forward;
    const LayerMatrix matrix = LayerMatrix::Of(entry.shape);
    layers.names_.push_back(name);
    layers.matrices_.try_emplace(name, matrix.rows, matrix.columns, pattern, kernels);
    if (sparsity_.has_dense_phase() && !sparse::IsDense(pattern)) {
      layers.dense_matrices_.try_emplace(name, matrix.rows, matrix.columns, sparse::DensePattern(),
                                         kernels);
    }
  }
  return layers;
}

void PublishedForm::Write(std::span<const float> parameters, bool dense, MatrixOf matrix_of,
                          std::span<std::byte> form) const {
  MILLRACE_CHECK(form.size() == bytes_, "another form");
  std::byte* to = form.data();
  if (sparsity_.has_dense_phase()) {
    const uint32_t word = dense ? 1 : 0;
    std::memcpy(to, &word, sizeof(word));
    to += sizeof(word);
  }
  for (const ParameterEntry& entry : layout_.entries()) {
    const std::string layer = LayerOf(entry);
    if (layer.empty()) {
      const size_t bytes = SizeOf(entry) * sizeof(float);
      std::memcpy(to, parameters.data() + entry.offset, bytes);
      to += bytes;
    } else {
      const sparse::PackedMatrix& matrix = matrix_of(layer);
      matrix.Write(to);
      to += matrix.wire_bytes();
    }
  }
}

absl::Status PublishedForm::Read(std::span<const std::byte> form, PublishedLayers& layers,
                                 std::span<float> parameters) const {
  if (form.size() != bytes_) {
    return absl::InvalidArgumentError(absl::StrCat("packed weights of the model: expected ", bytes_,
                                                   " bytes, got ", form.size()));
  }
  const std::byte* from = form.data();
  if (sparsity_.has_dense_phase()) {
    uint32_t word;
    std::memcpy(&word, from, sizeof(word));
    if (word > 1) return absl::DataLossError("packed weights: neither sparse nor dense");
    layers.set_dense(word == 1);
    from += sizeof(word);
  }
  for (const ParameterEntry& entry : layout_.entries()) {
    const std::string layer = LayerOf(entry);
    if (layer.empty()) {
      const size_t bytes = SizeOf(entry) * sizeof(float);
      std::memcpy(parameters.data() + entry.offset, from, bytes);
      from += bytes;
    } else {
      sparse::PackedMatrix& matrix = layers.At(layer);
      MILLRACE_RETURN_IF_ERROR(matrix.Read(from));
      from += matrix.wire_bytes();
    }
  }
  return absl::OkStatus();
}

void PublishedForm::PackLayer(std::span<const float> weights, const std::string& name,
                              PublishedLayers& layers) const {
  const LayerMatrix matrix = LayerMatrix::Of(layout_.Find(name + ".weight")->shape);
  std::vector<float> ordered(weights.size());
  ReadMatrix(matrix, weights.data(), ordered.data(), matrix.columns);
  layers.At(name).Pack({ordered.data(), matrix.rows, matrix.columns,
                        /*row=*/matrix.columns, /*depth=*/1});
}

void PublishedForm::Pack(const WeightBlob& parameters, PublishedLayers& layers) const {
  layers.set_dense(sparsity_.DenseAt(/*progress=*/1));
  for (const std::string& name : layers.names()) {
    PackLayer(parameters.Tensor(name + ".weight"), name, layers);
  }
}

}  // namespace millrace
