#include "inference/unpacked_model.h"

#include <utility>

#include "inference/layer_matrix.h"

namespace millrace {

UnpackedModel::UnpackedModel(const ModelSpec& spec, const Sparsity& sparsity,
                             std::unique_ptr<InferenceModel> model)
    : PackedModel(spec, sparsity), model_(std::move(model)) {}

absl::Status UnpackedModel::TakeWeights() {
  const std::span<float> flat = parameters().Fill();
  for (const std::string& name : layers().names()) {
    const sparse::PackedMatrix& packed = layers().At(name);
    matrix_.resize(static_cast<size_t>(packed.outputs() * packed.inputs()));
    packed.Unpack(matrix_.data());
    const ParameterEntry& entry = *layout().Find(name + ".weight");
    WriteMatrix(LayerMatrix::Of(entry.shape), matrix_.data(), packed.inputs(),
                flat.data() + entry.offset);
  }
  return model_->Load(std::as_bytes(flat));
}

}  // namespace millrace
