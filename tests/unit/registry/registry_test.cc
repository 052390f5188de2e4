#include "millrace/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "env/builtin_environments.h"

namespace millrace {
namespace {

using testing::HasSubstr;

TEST(Registry, MisspeltEnvironmentsNameTheNearestOne) {
  const Registry registry = BuiltinRegistry();
  const auto made = registry.MakeVectorEnvironment("cartpol", {}, 2, "run.yaml:4");
  EXPECT_TRUE(absl::IsInvalidArgument(made.status()));
  EXPECT_EQ(std::string(made.status().message()),
            "run.yaml:4: environment type: expected a registered environment, got \"cartpol\"; did "
            "you mean \"cartpole\"?");
  EXPECT_EQ(std::string(registry.MakeEnvironment("zzz", {}).status().message()),
            "environment type: expected a registered environment, got \"zzz\"");
}

TEST(Registry, BuiltinsAreListedWithALineEach) {
  const Registry registry = BuiltinRegistry();
  ASSERT_TRUE(registry.status().ok()) << registry.status();
  EXPECT_GE(registry.environments().size(), 7u);
  for (const auto& listing : registry.environments()) {
    EXPECT_FALSE(listing.line.empty()) << listing.name;
  }
}

TEST(Registry, BuiltinsCanBeMadeAloneAndAsGroups) {
  const Registry registry = BuiltinRegistry();
  for (const auto& listing : registry.environments()) {
    EXPECT_TRUE(registry.MakeEnvironment(listing.name, {}).ok()) << listing.name;
    const auto group = registry.MakeVectorEnvironment(listing.name, {}, 3);
    ASSERT_TRUE(group.ok()) << listing.name << ": " << group.status();
    EXPECT_EQ((*group)->size(), 3);
    EXPECT_FALSE(registry.MakeVectorEnvironment(listing.name, {}, 0).ok()) << listing.name;
  }
}

TEST(Registry, ANameMayHaveOneSingleAndOneVectorisedVersion) {
  Registry registry;
  registry.AddVectorEnvironment("mine", MakeCartPoleBatch);
  EXPECT_TRUE(registry.MakeEnvironment("mine", {}).ok()) << "a group of one";
  registry.AddEnvironment("mine", MakeCartPole, "a line");
  EXPECT_TRUE(registry.MakeEnvironment("mine", {}).ok());
  EXPECT_EQ(registry.environments()[0].line, "a line");

  registry.AddEnvironment("mine", MakeCartPole);
  EXPECT_EQ(std::string(registry.status().message()),
            "environment \"mine\" is registered twice: expected unique names");
  EXPECT_EQ(registry.MakeEnvironment("mine", {}).status(), registry.status());
}

TEST(Registry, SampleFieldsAreUnique) {
  Registry registry;
  const Field field = {"surprise", DType::kFloat32, {2}, Extent::kRows};
  registry.AddSampleField(field, [](const StepView&, TensorView) {});
  EXPECT_EQ(registry.FindSampleField("surprise")->field.shape, (std::vector<int64_t>{2}));
  EXPECT_EQ(registry.FindSampleField("other"), nullptr);
  registry.AddSampleField(field, [](const StepView&, TensorView) {});
  EXPECT_THAT(std::string(registry.status().message()), HasSubstr("sample field \"surprise\""));
}

TEST(Registry, FactoriesThatThrowOrReturnNothingAreInternalErrors) {
  Registry registry;
  registry.AddEnvironment("throws",
                          [](const Options&) -> absl::StatusOr<std::unique_ptr<Environment>> {
                            throw std::runtime_error("no licence");
                          });
  registry.AddEnvironment(
      "nothing",
      [](const Options&) -> absl::StatusOr<std::unique_ptr<Environment>> { return nullptr; });
  for (const char* name : {"throws", "nothing"}) {
    EXPECT_TRUE(absl::IsInternal(registry.MakeEnvironment(name, {}).status())) << name;
    EXPECT_TRUE(absl::IsInternal(registry.MakeVectorEnvironment(name, {}, 2).status())) << name;
  }
}

}  // namespace
}  // namespace millrace
