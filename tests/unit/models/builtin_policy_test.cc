#include "models/builtin_policy.h"

#include "gtest/gtest.h"
#include "millrace/inference/inference_model.h"

namespace millrace {
namespace {

ModelSpec Spec(const std::string& type, bool shared = false) {
  ModelSpec spec;
  spec.type = type;
  spec.hidden = {24, 40};
  spec.shared_trunk = shared;
  spec.lstm_size = type == "lstm" ? 20 : 0;
  spec.normalize_observation = spec.normalize_value = true;
  spec.observation.fields = {{"position", DType::kFloat32, {2, 2}, Extent::kRows},
                             {kActionMask, DType::kUInt8, {5}, Extent::kRows},
                             {"kind", DType::kInt32, {}, Extent::kRows}};
  spec.action = ActionSpec::Discrete(2);
  spec.action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
  spec.action.components.push_back(ActionSpec::Discrete(3).components[0]);
  return spec;
}

std::shared_ptr<Policy> Make(const ModelSpec& spec, uint64_t seed) {
  auto policy = MakePolicy(spec, seed);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *policy;
}

std::map<std::string, torch::Tensor> Tensors(const Policy& policy) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : policy.named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : policy.named_buffers()) tensors[item.key()] = item.value();
  return tensors;
}

// Fills every parameter and buffer with random numbers (variances positive); returns the blob.
std::vector<float> Randomize(Policy& policy) {
  const torch::NoGradGuard no_gradient;
  torch::manual_seed(3);
  const ParameterLayout layout = policy.layout();
  std::vector<float> blob(layout.num_floats());
  auto tensors = Tensors(policy);
  for (const ParameterEntry& entry : layout.entries()) {
    torch::Tensor& tensor = tensors.at(entry.name);
    tensor.copy_(torch::randn(tensor.sizes()) * 0.3);
    if (entry.name.ends_with("variance")) tensor.abs_().add_(0.5);
    std::copy_n(tensor.data_ptr<float>(), tensor.numel(), blob.data() + entry.offset);
  }
  return blob;
}

TensorDict RandomObservation(std::vector<int64_t> leading) {
  const auto with = [&](std::vector<int64_t> shape) {
    auto sizes = leading;
    sizes.insert(sizes.end(), shape.begin(), shape.end());
    return sizes;
  };
  return {{"observation/position", torch::randn(with({2, 2}))},
          {"observation/action_mask", torch::randint(0, 2, with({5}), torch::kUInt8)},
          {"observation/kind", torch::randint(-3, 4, with({}), torch::kInt32)}};
}

TEST(BuiltinPolicy, ParametersAndBuffersAreExactlyTheLayout) {
  for (const ModelSpec& spec : {Spec("mlp"), Spec("mlp", true), Spec("lstm")}) {
    const auto policy = Make(spec, 1);
    const auto tensors = Tensors(*policy);
    const ParameterLayout layout = policy->layout();
    EXPECT_EQ(tensors.size(), layout.entries().size());
    for (const ParameterEntry& entry : layout.entries()) {
      ASSERT_TRUE(tensors.contains(entry.name)) << entry.name;
      EXPECT_EQ(tensors.at(entry.name).sizes(), torch::IntArrayRef(entry.shape)) << entry.name;
      EXPECT_EQ(tensors.at(entry.name).requires_grad(), entry.trainable) << entry.name;
    }
  }
}

TEST(BuiltinPolicy, InitialWeightsDependOnTheSeedAlone) {
  torch::manual_seed(1);
  const auto a = Tensors(*Make(Spec("lstm"), 5));
  torch::manual_seed(2);
  const auto b = Tensors(*Make(Spec("lstm"), 5)), c = Tensors(*Make(Spec("lstm"), 6));
  for (const auto& [name, tensor] : a) EXPECT_TRUE(tensor.equal(b.at(name))) << name;
  EXPECT_FALSE(a.at("trunk.0.weight").equal(c.at("trunk.0.weight")));
}

TEST(BuiltinPolicy, InitialWeightsAreOrthogonal) {
  const auto tensors = Tensors(*Make(Spec("mlp"), 5));
  const auto wide = tensors.at("policy_head.weight");  // [7, 40]: orthogonal rows, gain 0.01
  EXPECT_TRUE(torch::allclose(wide.mm(wide.t()), 1e-4 * torch::eye(7), 1e-4, 1e-9));
  const auto tall = tensors.at("actor.0.weight");  // [24, 5]: orthogonal columns, gain sqrt(2)
  EXPECT_TRUE(torch::allclose(tall.t().mm(tall), 2.0 * torch::eye(5), 1e-4, 1e-5));
  EXPECT_EQ(tensors.at("critic.1.bias").abs().sum().item<float>(), 0.0F);
}

TEST(BuiltinPolicy, MaskedLogitsGetNoProbability) {
  const auto policy = Make(Spec("mlp"), 5);
  auto observation = RandomObservation({4});
  observation["observation/action_mask"] =
      torch::tensor({1, 0, 1, 1, 0}, torch::kUInt8).repeat({4, 1});
  const auto heads = policy->Forward(observation, {}, {});
  EXPECT_TRUE((heads.logits.select(1, 1) == -1e9F).all().item<bool>());
  EXPECT_TRUE((heads.logits.select(1, 0) > -1e3F).all().item<bool>());
}

TEST(BuiltinPolicy, FeedForwardAcceptsAnyLeadingDimensions) {
  const auto policy = Make(Spec("mlp"), 5);
  Randomize(*policy);
  const auto observation = RandomObservation({6, 4});
  TensorDict flat;
  for (const auto& [name, tensor] : observation) flat[name] = tensor.flatten(0, 1);
  const auto heads = policy->Forward(observation, {}, {});
  EXPECT_EQ(heads.value.sizes(), torch::IntArrayRef({6, 4}));
  EXPECT_TRUE(torch::allclose(heads.logits.flatten(0, 1), policy->Forward(flat, {}, {}).logits));
}

// The native forward, one step at a time, with the same blob.
HeadOutputs NativeForward(const ModelSpec& spec, std::span<const float> blob,
                          const TensorDict& observation, torch::Tensor state) {
  auto model = MakeNativeModel(spec);
  EXPECT_TRUE((*model)->Load(std::as_bytes(blob)).ok());
  const int64_t rows = observation.at("observation/kind").size(0);
  std::vector<std::vector<int64_t>> shapes;
  std::vector<torch::Tensor> kept;
  std::vector<TensorView> views;
  shapes.reserve(spec.observation.fields.size());
  for (const Field& field : spec.observation.fields) {
    kept.push_back(observation.at("observation/" + field.name).contiguous());
    shapes.emplace_back(kept.back().sizes().vec());
    views.push_back({field.dtype, shapes.back(), static_cast<std::byte*>(kept.back().data_ptr())});
  }
  HeadOutputs heads{torch::empty({rows, 5}), torch::empty({rows, 2}), torch::empty({2}),
                    torch::empty({rows})};
  const auto span = [](torch::Tensor& tensor) {
    return std::span(tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel()));
  };
  const HeadSpans spans{span(heads.logits), span(heads.mean), span(heads.log_std),
                        span(heads.value)};
  EXPECT_TRUE((*model)->Forward(static_cast<int>(rows), views, span(state), spans).ok());
  return heads;
}

void ExpectClose(const HeadOutputs& native, const HeadOutputs& torch_heads,
                 const torch::Tensor& mask, const torch::Tensor& value) {
  const auto masked = native.logits.masked_fill(mask == 0, -1e9F);
  EXPECT_TRUE(torch::allclose(masked, torch_heads.logits, 1e-5, 1e-5));
  EXPECT_TRUE(torch::allclose(native.mean, torch_heads.mean, 1e-5, 1e-5));
  EXPECT_TRUE(torch::allclose(native.log_std, torch_heads.log_std, 0, 0));
  EXPECT_TRUE(torch::allclose(native.value, value, 1e-5, 1e-5));
}

torch::Tensor Denormalize(const Policy& policy, const torch::Tensor& value) {
  const auto tensors = Tensors(policy);
  return value * (tensors.at("value_variance") + 1e-8F).sqrt() + tensors.at("value_mean");
}

TEST(NativeForward, EqualsTheLibTorchModule) {
  const torch::NoGradGuard no_gradient;
  for (ModelSpec spec : {Spec("mlp"), Spec("mlp", true)}) {
    for (Activation activation : {Activation::kTanh, Activation::kRelu}) {
      spec.activation = activation;
      const auto policy = Make(spec, 1);
      const auto blob = Randomize(*policy);
      const auto observation = RandomObservation({37});
      const auto heads = policy->Forward(observation, {}, {});
      ExpectClose(NativeForward(spec, blob, observation, torch::empty({0})), heads,
                  observation.at("observation/action_mask"), Denormalize(*policy, heads.value));
    }
  }
}

TEST(NativeForward, EqualsTheLibTorchModuleOverASequenceWithResets) {
  const torch::NoGradGuard no_gradient;
  const ModelSpec spec = Spec("lstm");
  const auto policy = Make(spec, 1);
  const auto blob = Randomize(*policy);
  constexpr int64_t kSteps = 6, kRows = 9;
  const auto observation = RandomObservation({kSteps, kRows});
  const auto first = torch::randint(0, 2, {kSteps, kRows}, torch::kUInt8);
  const auto state = torch::randn({kRows, spec.state_size()});
  const auto heads = policy->Forward(observation, first, state);

  auto native_state = state.clone();
  for (int64_t step = 0; step < kSteps; ++step) {
    native_state.masked_fill_(first[step].unsqueeze(-1) == 1, 0.0F);
    TensorDict now;
    for (const auto& [name, tensor] : observation) now[name] = tensor[step];
    const HeadOutputs native = NativeForward(spec, blob, now, native_state);
    const HeadOutputs expected{heads.logits[step], heads.mean[step], heads.log_std, {}};
    ExpectClose(native, expected, now.at("observation/action_mask"),
                Denormalize(*policy, heads.value[step]));
  }
}

}  // namespace
}  // namespace millrace
