// Types mlp, lstm and gru where things of the observation can be out of sight.
#include <gtest/gtest.h>

#include "models/trunk_module.h"
#include "native_equals_torch.h"

namespace millrace {
namespace {

ModelSpec Spec(const std::string& type) {
  ModelSpec spec;
  spec.type = type;
  spec.hidden = {48};
  spec.observation.fields = {{"boxes", DType::kFloat32, {4, 7}, Extent::kRows},
                             {"sees_boxes", DType::kUInt8, {4}, Extent::kRows},
                             {"self", DType::kFloat32, {6}, Extent::kRows},
                             {"has_boxes", DType::kFloat32, {4}, Extent::kRows},
                             {"agents", DType::kFloat64, {3, 5}, Extent::kRows},
                             {"secret", DType::kInt32, {2}, Extent::kRows}};
  spec.entity.sets = {{"agents", "", ""}, {"boxes", "sees_boxes", "has_boxes"}};
  if (type == "mlp") {
    spec.entity.critic_only = {"secret"};
  } else {
    spec.entity.sets[1].critic_mask = "sees_boxes";
    (type == "gru" ? spec.gru_size : spec.lstm_size) = 24;
  }
  spec.action = ActionSpec::Discrete(3);
  return spec;
}

TEST(DenseModule, NativeEqualsLibTorchWithEntities) {
  torch::manual_seed(1);
  for (const char* type : {"mlp", "lstm", "gru"}) {
    for (const bool normalize : {false, true}) {
      SCOPED_TRACE(type);
      ModelSpec spec = Spec(type);
      spec.normalize_observation = normalize;
      ExpectNativeEqualsTorch(spec, /*steps=*/3, /*rows=*/13);
      ExpectModuleHasTheLayout(spec);
    }
  }
}

TEST(DenseModule, ReadsFlatFeaturesThenEntitiesThatAreThereThenTheMask) {
  ModelSpec spec;
  spec.observation.fields = {{"boxes", DType::kFloat32, {2, 2}},
                             {"self", DType::kFloat32, {1}},
                             {"sees", DType::kUInt8, {2}},
                             {"has", DType::kUInt8, {2}},
                             {"secret", DType::kFloat32, {1}}};
  spec.entity.sets = {{"boxes", "sees", "has"}};
  spec.entity.critic_only = {"secret"};
  const auto floats = [](std::vector<float> values) { return torch::tensor(values).unsqueeze(0); };
  const TensorDict observation = {{"observation/sees", floats({0, 1}).to(torch::kUInt8)},
                                  {"observation/has", floats({1, 1}).to(torch::kUInt8)}};
  const torch::Tensor features = floats({1, 2, 3, 4, 5, 6});  // boxes, self, secret
  const auto input = [&](Network network) {
    return DenseModule::Input(EntityInputsOf(spec, network), spec.observation.fields, observation,
                              features);
  };
  EXPECT_TRUE(input(Network::kActor).equal(floats({5, 0, 0, 3, 4, 0, 1})));
  EXPECT_TRUE(input(Network::kCritic).equal(floats({5, 6, 1, 2, 3, 4, 1, 1})));
}

TEST(DenseModule, OnlyTheCriticSeesWhatIsForItAlone) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_gradient;
  const ModelSpec spec = Spec("mlp");
  auto policy = *MakePolicy(spec, 1);
  RandomWeights(*policy);
  TensorDict fields = RandomFields(spec, {1, 3});
  fields["observation/sees_boxes"].zero_();
  fields["observation/has_boxes"].fill_(1);
  const auto before = policy->Forward(fields, {}, {});
  for (const char* name : {"observation/secret", "observation/boxes"}) {
    TensorDict changed = fields;
    changed[name] = fields[name] + 1;
    const auto after = policy->Forward(changed, {}, {});
    EXPECT_TRUE(before.logits.equal(after.logits)) << name;
    EXPECT_FALSE(before.value.equal(after.value)) << name;
  }
}

}  // namespace
}  // namespace millrace
