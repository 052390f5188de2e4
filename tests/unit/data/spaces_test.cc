#include "millrace/data/spaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using ::testing::ElementsAre;

ActionComponent Choice(std::string name, int32_t choices) {
  ActionComponent component;
  component.name = std::move(name);
  component.choices = choices;
  return component;
}

TEST(ActionSpec, CountsTheComponentsOfATuple) {
  ActionSpec spec;
  spec.components = {Choice("move", 5), Choice("grab", 2),
                     ActionSpec::Continuous({-1, -2, -3}, {1, 2, 3}).components[0]};
  EXPECT_EQ(spec.num_discrete(), 2);
  EXPECT_EQ(spec.num_choices(), 7);
  EXPECT_EQ(spec.continuous_size(), 3);

  const std::vector<Field> fields = ActionFields(spec, Extent::kSteps);
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[0], (Field{"action/discrete", DType::kInt32, {2}, Extent::kSteps}));
  EXPECT_EQ(fields[1], (Field{"action/continuous", DType::kFloat32, {3}, Extent::kSteps}));
}

TEST(ActionSpec, HasNoFieldForWhatIsEmpty) {
  EXPECT_EQ(ActionFields(ActionSpec::Discrete(3), Extent::kRows).size(), 1u);
  EXPECT_EQ(ActionFields(ActionSpec::Discrete(3), Extent::kRows)[0].name, kDiscreteAction);
  EXPECT_EQ(ActionFields(ActionSpec::Continuous({0}, {1}), Extent::kRows)[0].name,
            kContinuousAction);
  EXPECT_TRUE(ActionFields({}, Extent::kRows).empty());
}

TEST(ObservationSpec, BecomesFieldsWithAPrefix) {
  const ObservationSpec spec{{{"self/position", DType::kFloat32, {2}, Extent::kRows},
                              {kActionMask, DType::kUInt8, {7}, Extent::kRows}}};
  const std::vector<Field> fields = ObservationFields(spec, Extent::kStepsAndBootstrap);
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[0].name, "observation/self/position");
  EXPECT_THAT(fields[0].shape, ElementsAre(2));
  EXPECT_EQ(fields[1].name, "observation/action_mask");
  EXPECT_EQ(fields[1].extent, Extent::kStepsAndBootstrap);
}

}  // namespace
}  // namespace millrace
