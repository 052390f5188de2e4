// The environment suites over every built-in environment, as users run them over theirs.
#include <gtest/gtest.h>

#include "millrace/registry/registry.h"
#include "millrace/testing/environment_suite.h"

namespace millrace {
namespace {

struct Subject {
  std::string label;
  std::string environment;
  Options options;
};

void PrintTo(const Subject& subject, std::ostream* out) { *out << subject.label; }

Options With(const std::string& key, const std::string& value) {
  Options options;
  options.Set(key, {.items = {value}, .is_list = false, .where = "test"});
  return options;
}

std::vector<Subject> Subjects() {
  std::vector<Subject> subjects;
  for (const auto& listing : BuiltinRegistry().environments()) {
    subjects.push_back({listing.name, listing.name, {}});
  }
  subjects.push_back({"cartpole_without_velocity", "cartpole", With("velocity", "false")});
  subjects.push_back({"cartpole_with_short_limit", "cartpole", With("max_episode_steps", "12")});
  subjects.push_back({"memory_with_noise", "memory", With("noise", "0.5")});
  subjects.push_back({"catch_on_a_small_board", "catch", With("rows", "3")});
  subjects.push_back({"assortment_with_memory", "assortment", With("memory", "true")});
  return subjects;
}

class EnvironmentSuite : public testing::TestWithParam<std::tuple<Subject, size_t>> {};

TEST_P(EnvironmentSuite, Holds) {
  const Subject& subject = std::get<0>(GetParam());
  const EnvironmentCheck check = EnvironmentChecks()[std::get<1>(GetParam())];
  const Registry registry = BuiltinRegistry();
  const EnvironmentFactory factory = [&](const Options& options) {
    return registry.MakeEnvironment(subject.environment, options);
  };
  const absl::Status status = check.run(factory, subject.options);
  EXPECT_TRUE(status.ok()) << status;
}

INSTANTIATE_TEST_SUITE_P(Builtin, EnvironmentSuite,
                         testing::Combine(testing::ValuesIn(Subjects()),
                                          testing::Range(size_t{0}, EnvironmentChecks().size())),
                         [](const auto& instance) {
                           return std::get<0>(instance.param).label + "_" +
                                  EnvironmentChecks()[std::get<1>(instance.param)].name;
                         });

class VectorEnvironmentSuite : public testing::TestWithParam<std::tuple<Subject, size_t>> {};

TEST_P(VectorEnvironmentSuite, Holds) {
  const Subject& subject = std::get<0>(GetParam());
  const VectorEnvironmentCheck check = VectorEnvironmentChecks()[std::get<1>(GetParam())];
  const Registry registry = BuiltinRegistry();
  const VectorEnvironmentFactory factory = [&](const Options& options, int count) {
    return registry.MakeVectorEnvironment(subject.environment, options, count);
  };
  const absl::Status status = check.run(factory, subject.options);
  EXPECT_TRUE(status.ok()) << status;
}

INSTANTIATE_TEST_SUITE_P(Builtin, VectorEnvironmentSuite,
                         testing::Combine(testing::ValuesIn(Subjects()),
                                          testing::Range(size_t{0},
                                                         VectorEnvironmentChecks().size())),
                         [](const auto& instance) {
                           return std::get<0>(instance.param).label + "_" +
                                  VectorEnvironmentChecks()[std::get<1>(instance.param)].name;
                         });

class GroupsAgree : public testing::TestWithParam<Subject> {};

// The group as registered, against the runner over single environments.
TEST_P(GroupsAgree, WithTheRunner) {
  const Registry registry = BuiltinRegistry();
  const auto registered = [&](const Options& options, int count) {
    return registry.MakeVectorEnvironment(GetParam().environment, options, count);
  };
  const auto single = [&](const Options& options) {
    return registry.MakeEnvironment(GetParam().environment, options);
  };
  const auto runner = [&](const Options& options, int count) {
    return MakeEnvironmentBatch(single, options, count);
  };
  const absl::Status status = CheckGroupsAgree(registered, runner, GetParam().options);
  EXPECT_TRUE(status.ok()) << status;
}

// A group of one behind the single interface, behind the runner again.
TEST_P(GroupsAgree, ThroughTheSingleAdapterUpToSeeds) {
  const Registry registry = BuiltinRegistry();
  const auto registered = [&](const Options& options, int count) {
    return registry.MakeVectorEnvironment(GetParam().environment, options, count);
  };
  const EnvironmentFactory adapter = [&](const Options& options) {
    return MakeSingleEnvironment(registered, options);
  };
  for (const EnvironmentCheck& check : EnvironmentChecks()) {
    const absl::Status status = check.run(adapter, GetParam().options);
    EXPECT_TRUE(status.ok()) << check.name << ": " << status;
  }
}

INSTANTIATE_TEST_SUITE_P(Builtin, GroupsAgree, testing::ValuesIn(Subjects()),
                         [](const auto& instance) { return instance.param.label; });

}  // namespace
}  // namespace millrace
