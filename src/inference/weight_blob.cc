#include "inference/weight_blob.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace millrace {

absl::Status WeightBlob::Load(std::span<const std::byte> blob) {
  if (blob.size() != layout_.bytes()) {
    return absl::InvalidArgumentError(absl::StrCat("weights of the model: expected ",
                                                   layout_.bytes(), " bytes, got ", blob.size()));
  }
  weights_.resize(layout_.num_floats());
  std::memcpy(weights_.data(), blob.data(), blob.size());
  return absl::OkStatus();
}

std::span<const float> WeightBlob::Tensor(std::string_view name) const {
  const ParameterEntry* entry = layout_.Find(name);
  if (entry == nullptr) return {};
  return std::span(weights_).subspan(entry->offset, static_cast<size_t>(NumElements(entry->shape)));
}

void WeightBlob::PackLinear(const std::string& name, PackedLayer& layer) const {
  const auto bias = Tensor(name + ".bias");
  layer.Clear();
  layer.Pack(Tensor(name + ".weight"), bias, static_cast<int64_t>(bias.size()), layer.in());
}

}  // namespace millrace
