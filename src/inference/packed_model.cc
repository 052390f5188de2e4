#include "inference/packed_model.h"

#include "millrace/core/status.h"

namespace millrace {

PackedModel::PackedModel(const ModelSpec& spec, const Sparsity& sparsity)
    : form_(spec, sparsity), layers_(form_.MakeLayers()), parameters_(form_.layout()) {}

absl::Status PackedModel::Load(std::span<const std::byte> form) {
  loaded_ = false;
  MILLRACE_RETURN_IF_ERROR(form_.Read(form, layers_, parameters_.Fill()));
  MILLRACE_RETURN_IF_ERROR(TakeWeights());
  loaded_ = true;
  return absl::OkStatus();
}

absl::Status PackedModel::LoadParameters(std::span<const std::byte> parameters) {
  MILLRACE_RETURN_IF_ERROR(parameters_.Load(parameters));
  form_.Pack(parameters_, layers_);
  MILLRACE_RETURN_IF_ERROR(TakeWeights());
  loaded_ = true;
  return absl::OkStatus();
}

}  // namespace millrace
