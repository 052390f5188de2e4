#include "models/entity_module.h"

#include "gtest/gtest.h"
#include "native_equals_torch.h"

namespace millrace {
namespace {

// Hide and seek's observation in small: what the policy sees of others and boxes is masked by
// sight, what the critic sees by existence.
ModelSpec Spec() {
  ModelSpec spec;
  spec.type = "entity_attention";
  spec.hidden = {48};
  spec.activation = Activation::kRelu;
  spec.lstm_size = 24;
  spec.observation.fields = {{"boxes", DType::kFloat32, {4, 7}, Extent::kRows},
                             {"lidar", DType::kFloat32, {10}, Extent::kRows},
                             {"sees_boxes", DType::kUInt8, {4}, Extent::kRows},
                             {"self", DType::kFloat32, {6}, Extent::kRows},
                             {"has_boxes", DType::kFloat32, {4}, Extent::kRows},
                             {"agents", DType::kFloat64, {3, 5}, Extent::kRows},
                             {kActionMask, DType::kUInt8, {5}, Extent::kRows},
                             {"secret", DType::kInt32, {2}, Extent::kRows}};
  spec.entity.sets = {{"agents", "", ""}, {"boxes", "sees_boxes", "has_boxes"}};
  spec.entity.circular = {"lidar"};
  spec.entity.critic_only = {"secret"};
  spec.entity.embedding = 32;
  spec.action = ActionSpec::Discrete(2);
  spec.action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
  spec.action.components.push_back(ActionSpec::Discrete(3).components[0]);
  return spec;
}

TEST(EntityAttention, NativeEqualsLibTorch) {
  torch::manual_seed(1);
  ExpectNativeEqualsTorch(Spec(), 5, 37);
}

TEST(EntityAttention, NativeEqualsLibTorchInEveryShape) {
  torch::manual_seed(2);
  Rng rng(5, 0);
  const auto one_to = [&rng](int64_t high) { return OneTo(high, rng); };
  for (int i = 0; i < 28; ++i) {
    ModelSpec spec = Spec();
    EntitySpec& entity = spec.entity;
    entity.heads = one_to(5);
    entity.embedding = entity.heads * one_to(12);
    entity.layers = one_to(2);
    entity.layer_norm = i % 2 == 0;
    entity.circular_channels = one_to(20);
    entity.circular_width = one_to(5);
    spec.hidden.assign(static_cast<size_t>(one_to(2)), one_to(50));
    spec.activation = i % 3 == 0 ? Activation::kTanh : Activation::kRelu;
    spec.lstm_size = i % 4 == 0 ? 0 : one_to(40);
    spec.shared_trunk = i % 5 == 0;
    if (spec.shared_trunk) {
      entity.critic_only.clear();
      entity.sets[1].critic_mask = entity.sets[1].mask;
    }
    const int64_t boxes = one_to(30);
    spec.observation.fields[0].shape = {boxes, one_to(9)};
    spec.observation.fields[1].shape = {entity.circular_width + one_to(9), one_to(3)};
    spec.observation.fields[2].shape = spec.observation.fields[4].shape = {boxes};
    spec.normalize_observation = spec.normalize_value = i % 7 == 0;
    SCOPED_TRACE(i);
    ExpectNativeEqualsTorch(spec, /*steps=*/2, one_to(40));
    ExpectModuleHasTheLayout(spec);
  }
}

TEST(EntityAttention, AllEntitiesMaskedLeavesTheAgentItself) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_gradient;
  const ModelSpec spec = Spec();
  auto policy = *MakePolicy(spec, 1);
  TensorDict fields = RandomFields(spec, {1, 3});
  fields["observation/sees_boxes"].zero_();
  fields["observation/has_boxes"].zero_();
  const auto first = torch::zeros({1, 3}, torch::kUInt8);
  const auto state = torch::zeros({3, spec.state_size()});
  const auto before = policy->Forward(fields, first, state);
  fields["observation/boxes"].mul_(-3.0).add_(1.0);  // nobody sees it
  const auto after = policy->Forward(fields, first, state);
  EXPECT_TRUE(before.logits.equal(after.logits));
  EXPECT_TRUE(before.value.equal(after.value));
  EXPECT_FALSE(before.value.isnan().any().item<bool>());
}

TEST(EntityAttention, OnlyTheCriticSeesWhatIsForItAlone) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_gradient;
  const ModelSpec spec = Spec();
  auto policy = *MakePolicy(spec, 1);
  RandomWeights(*policy);
  TensorDict fields = RandomFields(spec, {1, 3});
  fields["observation/sees_boxes"].zero_();
  fields["observation/has_boxes"].fill_(1);
  const auto first = torch::zeros({1, 3}, torch::kUInt8);
  const auto state = torch::zeros({3, spec.state_size()});
  const auto before = policy->Forward(fields, first, state);
  for (const char* name : {"observation/secret", "observation/boxes"}) {
    TensorDict changed = fields;
    changed[name] = fields[name] + 1;
    const auto after = policy->Forward(changed, first, state);
    EXPECT_TRUE(before.logits.equal(after.logits)) << name;
    EXPECT_FALSE(before.value.equal(after.value)) << name;
  }
}

TEST(EntityAttention, TheOrderOfEntitiesDoesNotMatter) {
  torch::manual_seed(5);
  const torch::NoGradGuard no_gradient;
  const ModelSpec spec = Spec();
  auto policy = *MakePolicy(spec, 1);
  RandomWeights(*policy);
  TensorDict fields = RandomFields(spec, {1, 3});
  const auto first = torch::zeros({1, 3}, torch::kUInt8);
  const auto state = torch::zeros({3, spec.state_size()});
  const auto before = policy->Forward(fields, first, state);
  for (const char* name : {"boxes", "sees_boxes", "has_boxes"}) {
    torch::Tensor& field = fields[ObservationField(name)];
    field = field.flip({2});
  }
  const auto after = policy->Forward(fields, first, state);
  EXPECT_TRUE(torch::allclose(before.logits, after.logits, 1e-5, 1e-5));
  EXPECT_TRUE(torch::allclose(before.value, after.value, 1e-5, 1e-5));
}

TEST(EntityAttention, TurningTheSequenceTurnsTheConvolution) {
  Rng rng(1, 0);
  const CircularModule convolution(2, 5, 3, rng);
  const auto x = torch::randn({4, 9, 2});
  EXPECT_TRUE(torch::allclose(convolution.Forward(x).roll(2, 1), convolution.Forward(x.roll(2, 1)),
                              1e-5, 1e-6));
}

// Which of the things that are there has the largest first number? The answer is its second number:
// a function of the whole set that attention can compute.
TEST(EntityAttention, LearnsToFindAnEntity) {
  torch::manual_seed(7);
  at::set_num_threads(1);  // small batches
  ModelSpec spec;
  spec.type = "entity_attention";
  spec.hidden = {32};
  spec.activation = Activation::kRelu;
  spec.shared_trunk = true;
  spec.observation.fields = {{"self", DType::kFloat32, {1}, Extent::kRows},
                             {"things", DType::kFloat32, {5, 2}, Extent::kRows},
                             {"is_there", DType::kUInt8, {5}, Extent::kRows}};
  spec.entity.sets = {{"things", "is_there", ""}};
  spec.entity.embedding = 32;
  spec.action = ActionSpec::Discrete(2);
  auto policy = *MakePolicy(spec, 1);
  torch::optim::Adam optimizer(policy->parameters(), torch::optim::AdamOptions(3e-3));
  double error = 0;
  for (int step = 0; step < 300; ++step) {
    TensorDict fields = RandomFields(spec, {64});
    torch::Tensor& there = fields["observation/is_there"];
    there.select(1, 0).fill_(1);
    const auto things = fields["observation/things"];
    const auto strength = things.select(2, 0).masked_fill(there == 0, -100.0);
    const auto target = things.select(2, 1).gather(1, strength.argmax(1, /*keepdim=*/true));
    const auto value = policy->Forward(fields, {}, {}).value;
    const auto loss = (value - target.squeeze(1)).pow(2).mean();
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    error = 0.95 * error + 0.05 * loss.item<double>();
  }
  EXPECT_LT(error, 0.35);  // always 0 would be wrong by 1, the mean of the things by about 0.6
}

TEST(EntityAttention, TrainingReachesEveryParameter) {
  torch::manual_seed(6);
  ExpectTrainingReachesEveryParameter(Spec());
}

}  // namespace
}  // namespace millrace
