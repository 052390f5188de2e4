#include "millrace/registry/torch_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace millrace {
namespace {

using testing::HasSubstr;

const ObservationSpec kObservation = {{{"observation", DType::kFloat32, {4}, Extent::kRows}}};

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(TorchRegistry, MisspeltTypesNameTheNearestOne) {
  const TorchRegistry registry = BuiltinTorchRegistry();
  const ActionSpec action = ActionSpec::Discrete(2);
  EXPECT_EQ(Message(registry.MakeAlgorithm("pp", {}, action, "run.yaml:6").status()),
            "run.yaml:6: algorithm type: expected a registered algorithm, got \"pp\"; did you mean "
            "\"ppo\"?");
  EXPECT_EQ(Message(registry.MakeModel("mlpp", {}, kObservation, action, 1, "run.yaml:5").status()),
            "run.yaml:5: model type: expected a registered model, got \"mlpp\"; did you mean "
            "\"mlp\"?");
  EXPECT_EQ(Message(registry.MakeBackend("dnse", {}, nullptr, "run.yaml:7").status()),
            "run.yaml:7: backend type: expected a registered backend, got \"dnse\"; did you mean "
            "\"dense\"?");
}

TEST(TorchRegistry, BuiltinsCanBeMadeByName) {
  const TorchRegistry registry = BuiltinTorchRegistry();
  ASSERT_TRUE(registry.status().ok()) << registry.status();
  const ActionSpec action = ActionSpec::Discrete(2);
  for (const auto& listing : registry.algorithms()) {
    EXPECT_TRUE(registry.MakeAlgorithm(listing.name, {}, action).ok()) << listing.name;
  }
  ObservationSpec observation = kObservation;
  observation.fields.push_back({"things", DType::kFloat32, {2, 3}, Extent::kRows});
  observation.fields.push_back({"picture", DType::kUInt8, {36, 36, 1}, Extent::kRows});
  ObservationSpec samples;
  samples.id_features = {{.name = "word", .rows = 10}};
  samples.fields = IdFields(samples.id_features);
  samples.fields.push_back({"dense", DType::kFloat32, {2}, Extent::kRows});
  ObservationSpec candidates;
  for (const char* const name : {"candidate_0", "candidate_1", "word"}) {
    candidates.id_features.push_back({.name = name, .rows = 10});
  }
  candidates.fields = IdFields(candidates.id_features);
  for (const auto& listing : registry.models()) {
    Options options;
    if (listing.name == "slate") options.Set("slate", {.items = {"1"}});
    if (listing.name == "entity_attention") {
      options.Set("entities", {.items = {"things"}, .is_list = true});
    }
    const bool scores_samples = listing.name == "dlrm";
    const ObservationSpec& seen = scores_samples            ? samples
                                  : listing.name == "slate" ? candidates
                                                            : observation;
    const auto model =
        registry.MakeModel(listing.name, options, seen, scores_samples ? ActionSpec() : action, 1);
    ASSERT_TRUE(model.ok()) << listing.name << ": " << model.status();
    EXPECT_EQ((*model)->state_size() > 0, listing.name != "mlp" && listing.name != "cnn" &&
                                              listing.name != "slate" && !scores_samples);
    EXPECT_TRUE(registry.MakeBackend("auto", {}, *model).ok()) << listing.name;
  }
  EXPECT_TRUE(registry.MakeEnvironment("cartpole", {}).ok());
}

TEST(TorchRegistry, AUsersModelMayNotTakeABuiltinName) {
  TorchRegistry registry;
  const ModelFactory nothing = [](const Options&, const ObservationSpec&, const ActionSpec&,
                                  uint64_t) -> absl::StatusOr<std::shared_ptr<Policy>> {
    return nullptr;
  };
  registry.AddModel("mine", nothing);
  EXPECT_TRUE(registry.status().ok());
  EXPECT_TRUE(absl::IsInternal(
      registry.MakeModel("mine", {}, kObservation, ActionSpec::Discrete(2), 1).status()));
  registry.AddModel("mlp", nothing);
  EXPECT_THAT(Message(registry.status()), HasSubstr("model \"mlp\" is registered twice"));
}

TEST(TorchRegistry, FactoriesThatThrowAreInternalErrors) {
  TorchRegistry registry;
  registry.AddAlgorithm(
      "throws",
      [](const Options&, const ActionSpec&) -> absl::StatusOr<std::unique_ptr<Algorithm>> {
        throw std::runtime_error("no gradient");
      });
  const auto made = registry.MakeAlgorithm("throws", {}, ActionSpec::Discrete(2));
  EXPECT_TRUE(absl::IsInternal(made.status()));
  EXPECT_EQ(Message(made.status()),
            "the factory of algorithm throws threw an exception: no gradient");
}

}  // namespace
}  // namespace millrace
