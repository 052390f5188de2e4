#include "models/builtin_policy.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "inference/normalization.h"
#include "models/orthogonal.h"

namespace millrace {
namespace {

constexpr double kPolicyHeadGain = 0.01;
constexpr double kValueHeadGain = 1.0;
const double kTrunkGain = std::sqrt(2.0);

torch::Tensor OrthogonalMatrix(int64_t rows, int64_t columns, double gain, Rng& rng) {
  torch::Tensor matrix = torch::empty({rows, columns});
  FillOrthogonal(rows, columns, gain, rng,
                 {matrix.data_ptr<float>(), static_cast<size_t>(matrix.numel())});
  return matrix;
}

// The leading dimensions of an observation tensor whose field has `rank` dimensions of its own.
std::vector<int64_t> LeadingSizes(const torch::Tensor& tensor, size_t rank) {
  const auto sizes = tensor.sizes();
  return {sizes.begin(), sizes.end() - static_cast<std::ptrdiff_t>(rank)};
}

}  // namespace

LinearModule::LinearModule(int64_t in, int64_t out, double gain, Rng& rng) {
  weight = register_parameter("weight", OrthogonalMatrix(out, in, gain, rng));
  bias = register_parameter("bias", torch::zeros({out}));
}

torch::Tensor LinearModule::Forward(const torch::Tensor& x) const {
  return torch::linear(x, weight, bias);
}

TrunkModule::TrunkModule(int64_t in, const std::vector<int64_t>& hidden, Activation activation,
                         Rng& rng)
    : activation_(activation) {
  for (size_t i = 0; i < hidden.size(); ++i) {
    layers_.push_back(register_module(
        absl::StrCat(i), std::make_shared<LinearModule>(in, hidden[i], kTrunkGain, rng)));
    in = hidden[i];
  }
}

torch::Tensor TrunkModule::Forward(torch::Tensor x) const {
  for (const auto& layer : layers_) {
    x = layer->Forward(x);
    x = activation_ == Activation::kTanh ? torch::tanh(x) : torch::relu(x);
  }
  return x;
}

LstmModule::LstmModule(int64_t in, int64_t size, Rng& rng) : size_(size) {
  std::vector<torch::Tensor> from_input, from_hidden;
  for (int gate = 0; gate < 4; ++gate) {
    from_input.push_back(OrthogonalMatrix(size, in, 1.0, rng));
    from_hidden.push_back(OrthogonalMatrix(size, size, 1.0, rng));
  }
  weight_ih_ = register_parameter("weight_ih", torch::cat(from_input));
  weight_hh_ = register_parameter("weight_hh", torch::cat(from_hidden));
  bias_ih_ = register_parameter("bias_ih", torch::zeros({4 * size}));
  bias_hh_ = register_parameter("bias_hh", torch::zeros({4 * size}));
}

LstmModule::Outputs LstmModule::Forward(const torch::Tensor& x, const torch::Tensor& first,
                                        const torch::Tensor& state) const {
  const torch::Tensor projected = torch::linear(x, weight_ih_, bias_ih_ + bias_hh_);
  const torch::Tensor keep = 1.0F - first.to(torch::kFloat32).unsqueeze(-1);
  const torch::Tensor recurrent = weight_hh_.t();
  torch::Tensor hidden = state.narrow(-1, 0, size_);
  torch::Tensor cell = state.narrow(-1, size_, size_);
  std::vector<torch::Tensor> outputs;
  for (int64_t step = 0; step < x.size(0); ++step) {
    hidden = hidden * keep[step];
    cell = cell * keep[step];
    const auto gates = torch::addmm(projected[step], hidden, recurrent).chunk(4, -1);
    cell = torch::sigmoid(gates[1]) * cell + torch::sigmoid(gates[0]) * torch::tanh(gates[2]);
    hidden = torch::sigmoid(gates[3]) * torch::tanh(cell);
    outputs.push_back(hidden);
  }
  return {torch::stack(outputs), torch::cat({hidden, cell}, -1)};
}

BuiltinPolicy::BuiltinPolicy(const ModelSpec& spec, uint64_t seed) : spec_(spec) {
  Rng rng(seed, 0);
  const int64_t features = spec.num_features();
  const bool shared = spec.shared_trunk || spec.lstm_size > 0;
  const auto trunk = [&] {
    return std::make_shared<TrunkModule>(features, spec.hidden, spec.activation, rng);
  };
  trunk_ = register_module(shared ? "trunk" : "actor", trunk());
  if (!shared) critic_ = register_module("critic", trunk());
  int64_t width = spec.hidden.empty() ? features : spec.hidden.back();
  if (spec.lstm_size > 0) {
    lstm_ = register_module("lstm", std::make_shared<LstmModule>(width, spec.lstm_size, rng));
    width = spec.lstm_size;
  }
  const int64_t reals = spec.action.continuous_size();
  const int64_t outputs = spec.action.num_choices() + reals;
  policy_head_ = register_module(
      "policy_head", std::make_shared<LinearModule>(width, outputs, kPolicyHeadGain, rng));
  value_head_ =
      register_module("value_head", std::make_shared<LinearModule>(width, 1, kValueHeadGain, rng));
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
    if (field.name == kActionMask) continue;
    const torch::Tensor& tensor = observation.at(ObservationField(field.name));
    auto sizes = LeadingSizes(tensor, field.shape.size());
    sizes.push_back(NumElements(field.shape));
    columns.push_back(tensor.reshape(sizes).to(torch::kFloat32));
  }
  return columns.size() == 1 ? columns[0] : torch::cat(columns, -1);
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
  torch::Tensor hidden = trunk_->Forward(features);
  torch::Tensor next_state;
  if (lstm_ != nullptr) {
    auto outputs = lstm_->Forward(hidden, first, state);
    hidden = std::move(outputs.hidden);
    next_state = std::move(outputs.state);
  }
  HeadOutputs heads = SplitPolicyHead(policy_head_->Forward(hidden), observation);
  if (critic_ != nullptr) hidden = critic_->Forward(features);
  heads.value = value_head_->Forward(hidden).squeeze(-1);
  heads.state = std::move(next_state);
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
