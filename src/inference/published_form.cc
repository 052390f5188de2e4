#include "inference/published_form.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"
#include "sparse/kernel_choice.h"

namespace millrace {
namespace {

size_t SizeOf(const ParameterEntry& entry) { return static_cast<size_t>(NumElements(entry.shape)); }

// FNV-1a over what both ends must agree on besides the layout.
uint64_t HashOf(uint64_t layout, const std::string& form) {
  uint64_t hash = 0xCBF29CE484222325 ^ layout;
  for (const char c : form) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return hash;
}

}  // namespace

PublishedForm::PublishedForm(const ModelSpec& spec, const Sparsity& sparsity)
    : layout_(spec), sparsity_(sparsity) {
  std::string form = sparsity.precision == sparse::Precision::kFloat32 ? "float32" : "bfloat16";
  for (const auto& [name, matrix] : MakeLayers()) {
    bytes_ += matrix.wire_bytes();
    absl::StrAppend(&form, " ", name, " ", sparse::NameOf(matrix.pattern()), " ",
                    matrix.pattern().shared_by);
  }
  for (const ParameterEntry& entry : layout_.entries()) {
    if (LayerOf(entry).empty()) bytes_ += SizeOf(entry) * sizeof(float);
  }
  hash_ = HashOf(layout_.hash(), form);
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

void PublishedForm::Pack(std::span<const float> parameters, Layers& layers) const {
  for (const ParameterEntry& entry : layout_.entries()) {
    const std::string layer = LayerOf(entry);
    if (layer.empty()) continue;
    const int64_t out = entry.shape[0], in = entry.shape[1];
    layers.at(layer).Pack({parameters.data() + entry.offset, out, in, /*row=*/in, /*depth=*/1});
  }
}

}  // namespace millrace
