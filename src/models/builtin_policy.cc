#include "models/builtin_policy.h"

#include "absl/strings/str_cat.h"
#include "inference/normalization.h"

namespace millrace {
namespace {

constexpr double kPolicyHeadGain = 0.01;
constexpr double kValueHeadGain = 1.0;

// The leading dimensions of an observation tensor whose field has `rank` dimensions of its own.
std::vector<int64_t> LeadingSizes(const torch::Tensor& tensor, size_t rank) {
  const auto sizes = tensor.sizes();
  return {sizes.begin(), sizes.end() - static_cast<std::ptrdiff_t>(rank)};
}

}  // namespace

BuiltinPolicy::BuiltinPolicy(const ModelSpec& spec, uint64_t seed) : spec_(spec) {
  Rng rng(seed, 0);
  const int64_t features = spec.num_features();
  actor_ = std::make_unique<NetworkModules>(spec, Network::kActor, rng, *this);
  if (!spec.one_trunk()) {
    critic_ = std::make_unique<NetworkModules>(spec, Network::kCritic, rng, *this);
  }
  const int64_t reals = spec.action.continuous_size();
  const int64_t outputs = spec.action.num_choices() + reals;
  policy_head_ = register_module(
      "policy_head",
      std::make_shared<LinearModule>(actor_->width(), outputs, kPolicyHeadGain, rng));
  value_head_ = register_module(
      "value_head", std::make_shared<LinearModule>((critic_ ? *critic_ : *actor_).width(), 1,
                                                   kValueHeadGain, rng));
  if (reals > 0) {
    log_std_ = register_parameter("log_std", torch::full({reals}, spec.initial_log_std));
  }
  if (spec.normalize_observation) {
    observation_mean_ = register_buffer("observation_mean", torch::zeros({features}));
    observation_variance_ = register_buffer("observation_variance", torch::ones({features}));
  }
  if (spec.normalize_value) {  // applied by whoever uses the value, see HeadOutputs
    register_buffer("value_mean", torch::zeros({1}));
    register_buffer("value_variance", torch::ones({1}));
  }
}

torch::Tensor BuiltinPolicy::RawFeatures(const TensorDict& observation) const {
  const torch::NoGradGuard no_gradient;
  std::vector<torch::Tensor> columns;
  for (const Field& field : spec_.observation.fields) {
    if (!spec_.IsFeature(field)) continue;
    const torch::Tensor& tensor = observation.at(ObservationField(field.name));
    auto sizes = LeadingSizes(tensor, field.shape.size());
    sizes.push_back(NumElements(field.shape));
    columns.push_back(tensor.reshape(sizes).to(torch::kFloat32));
  }
  if (columns.empty()) return NoFeatures(observation);
  return columns.size() == 1 ? columns[0] : torch::cat(columns, -1);
}

// [..., 0], of an observation of images alone.
torch::Tensor BuiltinPolicy::NoFeatures(const TensorDict& observation) const {
  const Field& field = spec_.observation.fields.front();
  const torch::Tensor& tensor = observation.at(ObservationField(field.name));
  auto sizes = LeadingSizes(tensor, field.shape.size());
  sizes.push_back(0);
  return torch::empty(sizes, torch::dtype(torch::kFloat32).device(tensor.device()));
}

torch::Tensor BuiltinPolicy::Features(const TensorDict& observation) const {
  const torch::NoGradGuard no_gradient;
  torch::Tensor features = RawFeatures(observation);
  if (!observation_mean_.defined()) return features;
  return ((features - observation_mean_) * (observation_variance_ + kNormalizerEpsilon).rsqrt())
      .clamp_(-kObservationLimit, kObservationLimit);
}

HeadOutputs BuiltinPolicy::SplitPolicyHead(const torch::Tensor& out,
                                           const TensorDict& observation) const {
  HeadOutputs heads;
  const int64_t choices = spec_.action.num_choices(), reals = spec_.action.continuous_size();
  if (choices > 0) {
    heads.logits = reals == 0 ? out : out.narrow(-1, 0, choices);
    const auto mask = observation.find(ObservationField(kActionMask));
    if (mask != observation.end()) {
      heads.logits = heads.logits.masked_fill(mask->second == 0, kMaskedLogit);
    }
  }
  if (reals > 0) {
    heads.mean = choices == 0 ? out : out.narrow(-1, choices, reals);
    heads.log_std = log_std_;
  }
  return heads;
}

HeadOutputs BuiltinPolicy::Forward(const TensorDict& observation, const torch::Tensor& first,
                                   const torch::Tensor& state) {
  const torch::Tensor features = Features(observation);
  NetworkModules::Outputs outputs = actor_->Forward(observation, features, first, state);
  HeadOutputs heads = SplitPolicyHead(policy_head_->Forward(outputs.hidden), observation);
  heads.state = outputs.state;
  if (critic_ != nullptr) {
    outputs = critic_->Forward(observation, features, first, state);
    if (outputs.state.defined()) heads.state = torch::cat({heads.state, outputs.state}, -1);
  }
  heads.value = value_head_->Forward(outputs.hidden).squeeze(-1);
  return heads;
}

absl::StatusOr<std::shared_ptr<Policy>> MakePolicy(const ModelSpec& spec, uint64_t seed) {
  if (!ModelSpec::IsBuiltinType(spec.type)) {
    return absl::InvalidArgumentError(
        absl::StrCat("no built-in LibTorch module for model type \"", spec.type, "\""));
  }
  return std::make_shared<BuiltinPolicy>(spec, seed);
}

}  // namespace millrace
