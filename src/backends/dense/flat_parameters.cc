#include "backends/dense/flat_parameters.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "millrace/core/status.h"
#include "models/torch_device.h"

namespace millrace {
namespace {

torch::Tensor ViewOf(const torch::Tensor& flat, const ParameterEntry& entry) {
  return flat.narrow(0, static_cast<int64_t>(entry.offset), NumElements(entry.shape))
      .view(entry.shape);
}

absl::Status CheckEntry(const ParameterEntry& entry, const torch::Tensor* tensor) {
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("model: the layout's \"", entry.name, "\" is no ",
                     entry.trainable ? "parameter" : "buffer", " of the module"));
  }
  if (tensor->sizes() == torch::IntArrayRef(entry.shape) &&
      tensor->scalar_type() == torch::kFloat32) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "model: ", entry.name, ": expected Float [", absl::StrJoin(entry.shape, ", "), "], got ",
      torch::toString(tensor->scalar_type()), " [", absl::StrJoin(tensor->sizes(), ", "), "]"));
}

}  // namespace

FlatParameters::FlatParameters(ParameterLayout layout, torch::Device device)
    : layout_(std::move(layout)),
      weights_(torch::zeros({static_cast<int64_t>(layout_.num_floats())}, device)),
      trainable_(weights_.narrow(0, 0, static_cast<int64_t>(layout_.num_trainable()))),
      gradients_(torch::zeros_like(trainable_)) {}

absl::StatusOr<std::unique_ptr<FlatParameters>> FlatParameters::Create(
    std::shared_ptr<Policy> policy) {
  std::unique_ptr<FlatParameters> flat(new FlatParameters(policy->layout(), DeviceOf(*policy)));
  MILLRACE_RETURN_IF_ERROR(flat->Adopt(*policy));
  flat->policy_ = std::move(policy);
  return flat;
}

absl::Status FlatParameters::Adopt(Policy& policy) {
  const torch::NoGradGuard no_gradient;
  auto parameters = policy.named_parameters();
  auto buffers = policy.named_buffers();
  for (const ParameterEntry& entry : layout_.entries()) {
    torch::Tensor* tensor = (entry.trainable ? parameters : buffers).find(entry.name);
    MILLRACE_RETURN_IF_ERROR(CheckEntry(entry, tensor));
    const torch::Tensor view = ViewOf(weights_, entry);
    view.copy_(*tensor);
    tensor->set_data(view);
    if (entry.trainable) tensor->mutable_grad() = ViewOf(gradients_, entry);
  }
  if (parameters.size() + buffers.size() == layout_.entries().size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "model: expected the layout to name every parameter and buffer, ",
      parameters.size() + buffers.size(), " in sum, got ", layout_.entries().size(), " entries"));
}

torch::Tensor FlatParameters::Weight(std::string_view name) const {
  const ParameterEntry* entry = layout_.Find(name);
  return entry == nullptr ? torch::Tensor() : ViewOf(weights_, *entry);
}

torch::Tensor FlatParameters::Gradient(std::string_view name) const {
  const ParameterEntry* entry = layout_.Find(name);
  return entry == nullptr || !entry->trainable ? torch::Tensor() : ViewOf(gradients_, *entry);
}

void FlatParameters::Snapshot(std::span<std::byte> blob) const {
  MILLRACE_CHECK(blob.size() == layout_.bytes(), "Snapshot into a blob of another size");
  torch::from_blob(blob.data(), weights_.sizes()).copy_(weights_);
}

absl::Status FlatParameters::Load(std::span<const std::byte> blob) {
  if (blob.size() != layout_.bytes()) {
    return absl::InvalidArgumentError(absl::StrCat("weights of the model: expected ",
                                                   layout_.bytes(), " bytes, got ", blob.size()));
  }
  const torch::NoGradGuard no_gradient;
  auto* const bytes = const_cast<std::byte*>(blob.data());  // only read
  weights_.copy_(torch::from_blob(bytes, weights_.sizes()));
  return absl::OkStatus();
}

}  // namespace millrace
