#include "backends/nm_sparse/sparse_evaluator.h"

#include <utility>

#include "inference/entity_inputs.h"

namespace millrace {
namespace {

using torch::Tensor;

class SparseEvaluator : public HeadEvaluator {
 public:
  SparseEvaluator(std::shared_ptr<BuiltinPolicy> policy, std::shared_ptr<SparsePolicy> network,
                  FlatParameters& parameters)
      : policy_(std::move(policy)),
        network_(std::move(network)),
        flat_(parameters),
        actor_reads_(EntityInputsOf(policy_->spec(), Network::kActor)),
        critic_reads_(EntityInputsOf(policy_->spec(), Network::kCritic)),
        outputs_(policy_->spec().action.num_choices() + policy_->spec().action.continuous_size()) {
    gradients_.Reserve(static_cast<size_t>(network_->size()));
  }

  HeadOutputs Forward(const TensorDict& minibatch) override {
    const torch::NoGradGuard no_gradient;
    const Tensor features = policy_->Features(minibatch);
    const auto leading = features.sizes().slice(0, static_cast<size_t>(features.dim()) - 1).vec();
    const auto input = [&](const EntityInputs& reads) {
      return DenseModule::Input(reads, policy_->spec().observation.fields, minibatch, features)
          .flatten(0, -2)
          .contiguous();
    };
    actor_input_ = input(actor_reads_);
    critic_input_ = input(critic_reads_);
    batch_ = {.chunks = actor_input_.size(0),
              .actor_input = actor_input_.const_data_ptr<float>(),
              .critic_input = critic_input_.const_data_ptr<float>()};
    const RowNetwork::Heads heads = network_->Forward(network_->taken(), batch_);
    strides_ = {heads.policy_stride, heads.value_stride};
    // Copies: the network's buffers are used again.
    const auto copy = [&](float* data, int64_t stride, int64_t columns) {
      return torch::from_blob(data, {batch_.rows(), stride}).narrow(1, 0, columns).clone();
    };
    auto sizes = leading;
    sizes.push_back(outputs_);
    HeadOutputs outputs = policy_->SplitPolicyHead(
        copy(heads.policy, heads.policy_stride, outputs_).view(sizes), minibatch);
    outputs.value = copy(heads.value, heads.value_stride, 1).view(leading);
    masked_ = MaskedChoices(outputs, minibatch);
    return AsLeaves(outputs);
  }

  void Backward(const HeadOutputs& heads) override {
    const torch::NoGradGuard no_gradient;
    const auto padded = [&](const Tensor& gradient, int64_t stride) {
      return torch::constant_pad_nd(gradient, {0, stride - gradient.size(1)}).contiguous();
    };
    const Tensor policy = padded(PolicyHeadGradient(heads, masked_), strides_.first);
    const Tensor value = padded(GradientOf(heads.value).view({-1, 1}), strides_.second);
    network_->Backward(network_->taken(), batch_, policy.const_data_ptr<float>(),
                       value.const_data_ptr<float>(), gradients_.data());
    network_->Export(gradients_.data(), FloatsOf(flat_.gradients()));
    if (Tensor log_std = flat_.Gradient("log_std"); log_std.defined()) {
      log_std.copy_(GradientOf(heads.log_std));
    }
  }

 private:
  const std::shared_ptr<BuiltinPolicy> policy_;
  const std::shared_ptr<SparsePolicy> network_;
  FlatParameters& flat_;
  const EntityInputs actor_reads_, critic_reads_;
  const int64_t outputs_;  // of the policy head
  AlignedFloats gradients_;
  // Of the last Forward().
  Tensor actor_input_, critic_input_, masked_;
  NativeMinibatch batch_;
  std::pair<int64_t, int64_t> strides_;  // of the heads
};

}  // namespace

std::unique_ptr<HeadEvaluator> MakeSparseEvaluator(std::shared_ptr<BuiltinPolicy> policy,
                                                   std::shared_ptr<SparsePolicy> network,
                                                   FlatParameters& parameters) {
  return std::make_unique<SparseEvaluator>(std::move(policy), std::move(network), parameters);
}

}  // namespace millrace
