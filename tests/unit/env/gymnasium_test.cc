// Trajectories of Gymnasium (recorded by golden/record.py), replayed.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "env/agent_slots.h"
#include "env/builtin_environments.h"
#include "env/mujoco/locomotion.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using Maker = absl::StatusOr<std::unique_ptr<Environment>> (*)(const Options&);

struct Task {
  const char* name;
  Maker make;
};

Json ReadGolden(const std::string& name) {
  std::ifstream file(std::string(MILLRACE_GOLDEN_DIR) + "/" + name + ".json");
  return Json::parse(file);
}

void ExpectNear(const Json& expected, std::span<const double> got, double tolerance) {
  ASSERT_EQ(expected.size(), got.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(expected[i].get<double>(), got[i], tolerance) << "entry " << i;
  }
}

std::vector<double> ObservationOf(const AgentSlots& agents) {
  const TensorView& view = agents.slots()[0].observation[0];
  std::vector<double> observation;
  if (view.dtype == DType::kFloat64) {
    std::ranges::copy(view.As<double>(), std::back_inserter(observation));
  } else {
    std::ranges::copy(view.As<float>(), std::back_inserter(observation));
  }
  return observation;
}

class GymnasiumTest : public testing::TestWithParam<Task> {};

// Recorded episodes are followed to their end, so small errors would grow: equality to the last bit
// is what keeps even 500 steps of an unstable system together.
TEST_P(GymnasiumTest, EpisodesAreTheSameToTheEnd) {
  const Json golden = ReadGolden(GetParam().name);
  auto environment = GetParam().make({});
  ASSERT_TRUE(environment.ok());
  for (const Json& episode : golden["episodes"]) {
    AgentSlots agents((*environment)->spec());
    const auto start = episode["start"].get<std::vector<double>>();
    agents.PrepareReset();
    ASSERT_TRUE((*environment)->ResetTo(start, {}, agents.slots()).ok());
    ExpectNear(episode["first_observation"], ObservationOf(agents), 1e-7);
    size_t next = 0;
    const Json& checkpoints = episode["checkpoints"];
    for (int step = 1; step <= episode["length"].get<int>(); ++step) {
      SCOPED_TRACE(testing::Message() << "seed " << episode["seed"] << ", step " << step);
      const Json& action = episode["actions"][static_cast<size_t>(step - 1)];
      if (action.is_array()) {
        std::ranges::copy(action.get<std::vector<float>>(), agents.continuous(0).begin());
      } else {
        agents.discrete(0)[0] = action.get<int32_t>();
      }
      ASSERT_FALSE(agents.ended());
      agents.PrepareStep();
      ASSERT_TRUE((*environment)->Step(agents.slots()).ok());
      const AgentSlot& slot = agents.slots()[0];
      if (next < checkpoints.size() && checkpoints[next]["step"] == step) {
        const Json& expected = checkpoints[next++];
        ExpectNear(expected["state"], (*environment)->PhysicalState().value(), 1e-9);
        ExpectNear(expected["observation"], ObservationOf(agents), 1e-7);
        EXPECT_NEAR(expected["reward"].get<double>(), slot.reward, 1e-6);
        EXPECT_EQ(expected["terminated"].get<bool>(), slot.terminated);
        EXPECT_EQ(expected["truncated"].get<bool>(), slot.truncated);
      }
      agents.FinishStep();
    }
    EXPECT_EQ(next, checkpoints.size());
    const Json& last = checkpoints.back();
    EXPECT_EQ(agents.ended(), last["terminated"].get<bool>() || last["truncated"].get<bool>());
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, GymnasiumTest,
                         testing::Values(Task{"cartpole", MakeCartPole},
                                         Task{"pendulum", MakePendulum},
                                         Task{"acrobot", MakeAcrobot},
                                         Task{"mountain_car", MakeMountainCar},
                                         Task{"half_cheetah", MakeHalfCheetah},
                                         Task{"hopper", MakeHopper}, Task{"walker2d", MakeWalker2d},
                                         Task{"ant", MakeAnt}, Task{"humanoid", MakeHumanoid}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace millrace
