#include "models/torch_inference_model.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "inference/normalization.h"
#include "millrace/core/status.h"
#include "models/guarded_torch.h"
#include "models/policy_check.h"
#include "models/torch_device.h"
#include "models/torch_dtype.h"

namespace millrace {
namespace {

void CopyOut(const torch::Tensor& tensor, std::span<float> out) {
  const torch::Tensor dense = tensor.contiguous();
  std::memcpy(out.data(), dense.const_data_ptr<float>(), out.size_bytes());
}

// Tensors on one device and where they go; a single copy off the device, each of which costs a
// wait.
class Outputs {
 public:
  void Add(const torch::Tensor& tensor, std::span<float> out) {
    if (!tensor.defined() || out.empty()) return;
    tensors_.push_back(tensor);
    targets_.push_back(out);
  }

  void Copy() {
    if (tensors_.empty()) return;
    if (tensors_[0].is_cpu()) {
      for (size_t i = 0; i < tensors_.size(); ++i) CopyOut(tensors_[i], targets_[i]);
      return;
    }
    for (torch::Tensor& tensor : tensors_) tensor = tensor.flatten();
    const torch::Tensor all = torch::cat(tensors_).cpu();
    int64_t begin = 0;
    for (const std::span<float> target : targets_) {
      const auto size = static_cast<int64_t>(target.size());
      CopyOut(all.narrow(0, begin, size), target);
      begin += size;
    }
  }

 private:
  std::vector<torch::Tensor> tensors_;
  std::vector<std::span<float>> targets_;
};

class TorchInferenceModel final : public InferenceModel {
 public:
  TorchInferenceModel(std::shared_ptr<Policy> policy, const ObservationSpec& observation,
                      const ActionSpec& action)
      : policy_(std::move(policy)),
        observation_(observation),
        action_(action),
        layout_(policy_->layout()),
        device_(DeviceOf(*policy_)) {
    const auto buffers = policy_->named_buffers();
    if (!buffers.contains("value_mean") || !buffers.contains("value_variance")) return;
    value_mean_ = buffers["value_mean"];
    value_variance_ = buffers["value_variance"];
  }

  const ActionSpec& action() const override { return action_; }
  int64_t state_size() const override { return policy_->state_size(); }
  const ParameterLayout& layout() const override { return layout_; }

  absl::Status Load(std::span<const std::byte> blob) override {
    if (blob.size() != layout_.bytes()) {
      return absl::InvalidArgumentError("weights of another size than this model's");
    }
    torch::NoGradGuard no_grad;
    auto tensors = policy_->named_parameters();
    for (const auto& buffer : policy_->named_buffers())
      tensors.insert(buffer.key(), buffer.value());
    for (const ParameterEntry& entry : layout_.entries()) {
      torch::Tensor* tensor = tensors.find(entry.name);
      if (tensor == nullptr) return absl::InternalError("the module has no tensor " + entry.name);
      const auto* values = reinterpret_cast<const float*>(blob.data()) + entry.offset;
      tensor->copy_(torch::from_blob(const_cast<float*>(values), entry.shape, torch::kFloat32));
    }
    return absl::OkStatus();
  }

  absl::Status Forward(int rows, std::span<const TensorView> observation, std::span<float> state,
                       const HeadSpans& heads) override {
    const torch::InferenceMode inference;
    return GuardedTorch("the policy module",
                        [&] { return ForwardOrThrow(rows, observation, state, heads); });
  }

 private:
  absl::Status ForwardOrThrow(int rows, std::span<const TensorView> observation,
                              std::span<float> state, const HeadSpans& heads) {
    const int64_t state_size = policy_->state_size();
    const bool recurrent = state_size > 0;
    TensorDict inputs;
    for (size_t i = 0; i < observation.size(); ++i) {
      const torch::Tensor tensor =
          torch::from_blob(observation[i].data, observation[i].shape, ToTorch(observation[i].dtype))
              .to(device_);
      inputs[ObservationField(observation_.fields[i].name)] =
          recurrent ? tensor.unsqueeze(0) : tensor;
    }
    if (!recurrent) {
      CopyHeads(policy_->Forward(inputs, {}, {}), heads, {});
      return absl::OkStatus();
    }
    // Rows that begin an episode have a state of zero already.
    const HeadOutputs outputs = policy_->Forward(
        inputs, torch::zeros({1, rows}, torch::dtype(torch::kUInt8).device(device_)),
        torch::from_blob(state.data(), {rows, state_size})
            .to(device_, torch::kFloat32, /*non_blocking=*/false, /*copy=*/true));
    CopyHeads(outputs, heads, state);
    return absl::OkStatus();
  }

  // In reward units.
  torch::Tensor ValueOf(const HeadOutputs& outputs) const {
    if (!value_mean_.defined()) return outputs.value;
    return outputs.value * (value_variance_ + kNormalizerEpsilon).sqrt() + value_mean_;
  }

  void CopyHeads(const HeadOutputs& outputs, const HeadSpans& heads, std::span<float> state) const {
    Outputs copies;
    copies.Add(outputs.logits, heads.logits);
    copies.Add(outputs.mean, heads.mean);
    copies.Add(outputs.log_std, heads.log_std);
    copies.Add(ValueOf(outputs), heads.value);
    copies.Add(outputs.state, state);
    copies.Copy();
  }

  const std::shared_ptr<Policy> policy_;
  const ObservationSpec observation_;
  const ActionSpec action_;
  const ParameterLayout layout_;
  const torch::Device device_;
  torch::Tensor value_mean_, value_variance_;  // of models that normalise values
};

}  // namespace

absl::StatusOr<std::unique_ptr<InferenceModel>> MakeTorchInferenceModel(
    std::shared_ptr<Policy> policy, const ObservationSpec& observation, const ActionSpec& action) {
  policy->eval();
  MILLRACE_RETURN_IF_ERROR(CheckPolicyOutputs(*policy, observation, action));
  return std::make_unique<TorchInferenceModel>(std::move(policy), observation, action);
}

}  // namespace millrace
