#include "inference/published_form.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/fnv1a.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"
#include "sparse/kernel_choice.h"

namespace millrace {
namespace {

size_t SizeOf(const ParameterEntry& entry) { return static_cast<size_t>(NumElements(entry.shape)); }

}  // namespace

PublishedForm::PublishedForm(const ModelSpec& spec, const Sparsity& sparsity)
    : layout_(spec), sparsity_(sparsity) {
  Fnv1a hash;
  hash.Add(layout_.hash());
  hash.Add(static_cast<uint64_t>(sparsity.precision));
  for (const auto& [name, matrix] : MakeLayers()) {
    bytes_ += matrix.wire_bytes();
    hash.Add(std::string_view(name));
    for (const int64_t number :
         {matrix.pattern().kept, matrix.pattern().group, matrix.pattern().shared_by}) {
      hash.Add(static_cast<uint64_t>(number));
    }
  }
  for (const ParameterEntry& entry : layout_.entries()) {
    if (LayerOf(entry).empty()) bytes_ += SizeOf(entry) * sizeof(float);
  }
  hash_ = hash.state();
}

std::string PublishedForm::LayerOf(const ParameterEntry& entry) {
  constexpr std::string_view kSuffix = ".weight";
  if (entry.shape.size() != 2 || !entry.name.ends_with(kSuffix)) return "";
  return entry.name.substr(0, entry.name.size() - kSuffix.size());
}

PublishedForm::Layers PublishedForm::MakeLayers() const {
  const sparse::KernelSet& kernels = sparse::BestKernels(sparsity_.precision);
  Layers layers;
  for (const ParameterEntry& entry : layout_.entries()) {
    const std::string layer = LayerOf(entry);
    if (layer.empty()) continue;
    layers.try_emplace(layer, entry.shape[0], entry.shape[1], sparsity_.Of(layer).forward, kernels);
  }
  return layers;
}

void PublishedForm::Write(std::span<const float> parameters, MatrixOf matrix_of,
                          std::span<std::byte> form) const {
  MILLRACE_CHECK(form.size() == bytes_, "another form");
  std::byte* to = form.data();
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

absl::Status PublishedForm::Read(std::span<const std::byte> form, Layers& layers,
                                 std::span<float> parameters) const {
  if (form.size() != bytes_) {
    return absl::InvalidArgumentError(absl::StrCat("packed weights of the model: expected ", bytes_,
                                                   " bytes, got ", form.size()));
  }
  const std::byte* from = form.data();
  for (const ParameterEntry& entry : layout_.entries()) {
    const std::string layer = LayerOf(entry);
    if (layer.empty()) {
      const size_t bytes = SizeOf(entry) * sizeof(float);
      std::memcpy(parameters.data() + entry.offset, from, bytes);
      from += bytes;
    } else {
      sparse::PackedMatrix& matrix = layers.at(layer);
      MILLRACE_RETURN_IF_ERROR(matrix.Read(from));
      from += matrix.wire_bytes();
    }
  }
  return absl::OkStatus();
}

void PublishedForm::Pack(const WeightBlob& parameters, Layers& layers) const {
  for (auto& [name, matrix] : layers) {
    matrix.Pack({parameters.Tensor(name + ".weight").data(), matrix.outputs(), matrix.inputs(),
                 /*row=*/matrix.inputs(), /*depth=*/1});
  }
}

}  // namespace millrace
