#include "inference/unpacked_model.h"

#include <utility>

#include "inference/layer_matrix.h"
#include "millrace/core/status.h"

namespace millrace {

UnpackedModel::UnpackedModel(const ModelSpec& spec, const Sparsity& sparsity,
                             std::unique_ptr<InferenceModel> model)
    : form_(spec, sparsity),
      model_(std::move(model)),
      layers_(form_.MakeLayers()),
      parameters_(form_.layout()) {}

absl::Status UnpackedModel::Load(std::span<const std::byte> form) {
  MILLRACE_RETURN_IF_ERROR(form_.Read(form, layers_, parameters_.Fill()));
  return LoadUnpacked();
}

absl::Status UnpackedModel::LoadParameters(std::span<const std::byte> parameters) {
  MILLRACE_RETURN_IF_ERROR(parameters_.Load(parameters));
  form_.Pack(parameters_, layers_);
  return LoadUnpacked();
}

absl::Status UnpackedModel::LoadUnpacked() {
  const std::span<float> parameters = parameters_.Fill();
  for (const std::string& name : layers_.names()) {
    const sparse::PackedMatrix& packed = layers_.At(name);
    matrix_.resize(static_cast<size_t>(packed.outputs() * packed.inputs()));
    packed.Unpack(matrix_.data());
    const ParameterEntry& entry = *form_.layout().Find(name + ".weight");
    WriteMatrix(LayerMatrix::Of(entry.shape), matrix_.data(), packed.inputs(),
                parameters.data() + entry.offset);
  }
  return model_->Load(std::as_bytes(parameters));
}

}  // namespace millrace
