// The transfer tasks as environments.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "../given_options.h"
#include "env/agent_slots.h"
#include "env/hide_and_seek/hide_and_seek.h"
#include "millrace/core/rng.h"

namespace millrace {
namespace {

using hide_and_seek::Given;
using hide_and_seek::OptionsOf;
using testing::ElementsAre;
using testing::HasSubstr;

using Factory = absl::StatusOr<std::unique_ptr<Environment>> (*)(const Options&);

// An environment with the slot of its agent.
class Played {
 public:
  explicit Played(Factory make, const Given& given = {})
      : environment_(make(OptionsOf(given)).value()), agents_(environment_->spec()) {}

  void Reset(uint64_t seed) {
    agents_.PrepareReset();
    ASSERT_TRUE(environment_->Reset(seed, agents_.slots()).ok());
  }
  // Random choices that depend on the number of the step alone. False once the episode is over.
  bool Step(uint64_t step) {
    Rng rng(step, 77);
    const auto choices = agents_.discrete(0);
    for (size_t c = 0; c < choices.size(); ++c) {
      choices[c] = static_cast<int32_t>(rng.Below(c < 3 ? 11 : 2));
    }
    agents_.PrepareStep();
    EXPECT_TRUE(environment_->Step(agents_.slots()).ok());
    const AgentSlot& slot = agents_.slots()[0];
    reward_ = slot.reward;
    terminated_ = slot.terminated;
    truncated_ = slot.truncated;
    agents_.FinishStep();
    return !terminated_ && !truncated_;
  }
  absl::Status ResetTo(std::span<const double> state, const ExtraState& extra) {
    return environment_->ResetTo(state, extra, agents_.slots());
  }

  Environment& environment() { return *environment_; }
  AgentSlots& agents() { return agents_; }
  float reward() const { return reward_; }
  bool terminated() const { return terminated_; }
  bool truncated() const { return truncated_; }
  std::vector<double> state() const { return environment_->PhysicalState().value(); }

  const Field* Find(const std::string& name) const {
    for (const Field& field : environment_->spec().agents[0].observation.fields) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }
  // Numbers of a field, whatever its type.
  std::vector<float> Numbers(const std::string& name) {
    const Field* const field = Find(name);
    if (field == nullptr) return {};
    const auto& fields = environment_->spec().agents[0].observation.fields;
    const TensorView& view =
        agents_.slots()[0].observation[static_cast<size_t>(field - fields.data())];
    if (view.dtype == DType::kUInt8) {
      const auto marks = view.As<uint8_t>();
      return {marks.begin(), marks.end()};
    }
    const auto numbers = view.As<float>();
    return {numbers.begin(), numbers.end()};
  }

 private:
  const std::unique_ptr<Environment> environment_;
  AgentSlots agents_;
  float reward_ = 0;
  bool terminated_ = false, truncated_ = false;
};

struct Task {
  const char* name;
  Factory make;
  std::vector<std::string> extra;  // what only this one has
};

void PrintTo(const Task& task, std::ostream* out) { *out << task.name; }

class Transfer : public testing::TestWithParam<Task> {};

TEST_P(Transfer, HasOneHiderAndHideAndSeeksActions) {
  Played task(GetParam().make);
  const auto& agents = task.environment().spec().agents;
  ASSERT_EQ(agents.size(), 1);
  EXPECT_EQ(agents[0].name, "hider_0");
  Played game(MakeHideAndSeekFull);
  EXPECT_EQ(agents[0].action, game.environment().spec().agents[0].action);
  task.Reset(1);
  EXPECT_EQ(task.Numbers("observation_self")[8], 1);
  EXPECT_EQ(task.Numbers("observation_self")[9], 0);
}

TEST_P(Transfer, IsPaddedToTheFieldsOfHideAndSeek) {
  Played task(GetParam().make, {{"pad_agents", {"5"}},
                                {"pad_boxes", {"9"}},
                                {"pad_ramps", {"3"}},
                                {"lock_ramps", {"true"}},
                                {"show_sizes", {"true"}}});
  Played game(MakeHideAndSeekFull, {{"ramps", {"3"}}});
  for (const Field& field : game.environment().spec().agents[0].observation.fields) {
    const Field* const same = task.Find(field.name);
    ASSERT_NE(same, nullptr) << field.name;
    EXPECT_EQ(*same, field);
  }
  task.Reset(1);
  EXPECT_EQ(task.Numbers("mask_aa_obs_spoof"), std::vector<float>(5));
  EXPECT_EQ(task.Numbers("agent_qpos_qvel"), std::vector<float>(50));
  EXPECT_EQ(task.Numbers("mask_ab_obs_spoof")[8], 0);
}

TEST_P(Transfer, TheSameSeedGivesTheSameEpisode) {
  Played one(GetParam().make), other(GetParam().make);
  other.Reset(9);  // leaves no trace
  other.Step(0);
  one.Reset(4);
  other.Reset(4);
  for (uint64_t step = 0; step < 30; ++step) {
    one.Step(step);
    other.Step(step);
    ASSERT_EQ(one.reward(), other.reward());
  }
  EXPECT_EQ(one.state(), other.state());
  EXPECT_EQ(one.environment().Extra(), other.environment().Extra());
}

TEST_P(Transfer, GoesOnBitForBitFromASavedState) {
  Played one(GetParam().make), other(GetParam().make);
  one.Reset(5);
  for (uint64_t step = 0; step < 20; ++step) one.Step(step);
  const auto saved = one.environment().SaveState();
  ASSERT_TRUE(saved.ok());
  ASSERT_TRUE(other.environment().RestoreState(*saved, other.agents().slots()).ok());
  EXPECT_EQ(one.Numbers("lidar"), other.Numbers("lidar"));
  bool going = true;
  for (uint64_t step = 20; going; ++step) {
    going = one.Step(step);
    ASSERT_EQ(other.Step(step), going);
    ASSERT_EQ(one.reward(), other.reward());
    ASSERT_EQ(one.terminated(), other.terminated());
  }
  EXPECT_EQ(one.state(), other.state());
  EXPECT_EQ(one.environment().Extra(), other.environment().Extra());
}

TEST_P(Transfer, BeginsFromAStateThatIsWrittenDown) {
  Played one(GetParam().make), other(GetParam().make);
  one.Reset(6);
  for (uint64_t step = 0; step < 10; ++step) one.Step(step);
  const ExtraState extra = one.environment().Extra();
  for (const std::string& name : GetParam().extra) EXPECT_TRUE(extra.contains(name)) << name;
  ASSERT_TRUE(other.ResetTo(one.state(), extra).ok());
  EXPECT_EQ(other.environment().Extra(), extra);
  EXPECT_EQ(other.Numbers("observation_self"), one.Numbers("observation_self"));
  EXPECT_EQ(other.Numbers("lidar"), one.Numbers("lidar"));
}

TEST_P(Transfer, SaysHowAnEpisodeWent) {
  Played task(GetParam().make);
  const auto& names = task.environment().spec().statistics;
  task.Reset(3);
  double sum = 0;
  uint64_t steps = 0;
  for (bool going = true; going; sum += task.reward()) going = task.Step(steps++);
  const auto numbers = task.environment().EpisodeStatistics();
  ASSERT_EQ(numbers.size(), names.size());
  EXPECT_EQ(names[3], "return");
  EXPECT_NEAR(numbers[3], sum, 1e-3);
  EXPECT_EQ(names[4], "discarded");
  EXPECT_EQ(numbers[4], 0);
}

INSTANTIATE_TEST_SUITE_P(
    Tasks, Transfer,
    testing::Values(Task{"lock_and_return", MakeHideAndSeekLockAndReturn, {"spawn"}},
                    Task{"sequential_lock", MakeHideAndSeekSequentialLock, {"lock_order"}},
                    Task{"blueprint", MakeHideAndSeekBlueprint, {"sites"}},
                    Task{"shelter", MakeHideAndSeekShelter, {"cylinder"}},
                    Task{"counting", MakeHideAndSeekCounting, {"goes_right"}}),
    [](const auto& instance) { return instance.param.name; });

TEST(LockAndReturnEnvironment, ShowsWhereTheAgentBeganIfAsked) {
  Played blind(MakeHideAndSeekLockAndReturn);
  EXPECT_EQ(blind.Find("spawn"), nullptr);
  Played shown(MakeHideAndSeekLockAndReturn, {{"show_spawn", {"true"}}});
  shown.Reset(7);
  const auto self = shown.Numbers("observation_self");
  EXPECT_EQ(shown.Numbers("spawn"), (std::vector<float>{self[0], self[1]}));
  for (uint64_t step = 0; step < 20; ++step) shown.Step(step);
  EXPECT_NE(shown.Numbers("observation_self")[0], self[0]);
  EXPECT_EQ(shown.Numbers("spawn"), (std::vector<float>{self[0], self[1]}));
}

TEST(LockAndReturnEnvironment, TakesTheSpawnFromAWrittenState) {
  Played task(MakeHideAndSeekLockAndReturn, {{"show_spawn", {"true"}}});
  task.Reset(7);
  const auto state = task.state();
  ASSERT_TRUE(task.ResetTo(state, {{"spawn", {1.25, 2.5}}}).ok());
  EXPECT_THAT(task.Numbers("spawn"), ElementsAre(1.25F, 2.5F));
  const absl::Status wrong = task.ResetTo(state, {{"spawn", {1}}});
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(wrong.message()), HasSubstr("spawn: expected 2 numbers, got 1"));
  EXPECT_THAT(std::string(task.ResetTo(state, {{"seekers", {1}}}).message()),
              HasSubstr("seekers: expected whole numbers from 0 to 0, got 1"));
  Played game(MakeHideAndSeekQuadrant);
  game.Reset(1);
  EXPECT_THAT(std::string(game.ResetTo(game.state(), {{"spawn", {1, 1}}}).message()),
              HasSubstr("unknown name \"spawn\""));
}

TEST(QuadrantEnvironment, ShowsWhereAgentsBeganIfAsked) {
  Played game(MakeHideAndSeekQuadrant, {{"show_spawn", {"true"}}});
  game.Reset(1);
  const auto self = game.Numbers("observation_self");
  for (uint64_t step = 0; step < 5; ++step) game.Step(step);
  EXPECT_EQ(game.Numbers("spawn"), (std::vector<float>{self[0], self[1]}));
  ASSERT_TRUE(game.ResetTo(game.state(), {{"spawn", {1.25, 2.5, 1, 1, 1, 1, 1, 1}}}).ok());
  EXPECT_THAT(game.Numbers("spawn"), ElementsAre(1.25F, 2.5F));
}

// So that its policy can go on with lock and return, where six rooms have five doors.
TEST(QuadrantEnvironment, PadsDoors) {
  Played quadrant(MakeHideAndSeekQuadrant, {{"show_doors", {"true"}}, {"pad_doors", {"5"}}});
  Played task(MakeHideAndSeekLockAndReturn, {{"show_doors", {"true"}}});
  quadrant.Reset(1);
  task.Reset(1);
  EXPECT_EQ(quadrant.Numbers("door_obs").size(), task.Numbers("door_obs").size());
}

TEST(TransferEnvironment, RefusesStatesThatCannotBe) {
  const auto complaint = [](Factory make, const ExtraState& extra) {
    Played task(make);
    task.Reset(1);
    const absl::Status status = task.ResetTo(task.state(), extra);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(complaint(MakeHideAndSeekSequentialLock, {{"lock_order", {0, 1, 2, 2}}}),
              HasSubstr("lock_order: expected each of 0 to 3 once, got 0, 1, 2, 2"));
  EXPECT_THAT(complaint(MakeHideAndSeekBlueprint, {{"sites", {1, 2, 3}}}),
              HasSubstr("sites: expected 2 numbers, got 3"));
  EXPECT_THAT(complaint(MakeHideAndSeekShelter, {{"cylinder", {3, 3, 0}}}),
              HasSubstr("cylinder: expected a diameter from 0.01 to 100, got 0"));
  EXPECT_THAT(complaint(MakeHideAndSeekCounting, {{"goes_right", {0, 1, 0, 1, 0, 2}}}),
              HasSubstr("goes_right: expected whole numbers from 0 to 1, got 2"));
}

TEST(BlueprintEnvironment, ShowsWhereBoxesAreWantedAndTerminates) {
  Played task(MakeHideAndSeekBlueprint, {{"boxes", {"1"}}, {"sites", {"1", "2"}}});
  task.Reset(1);
  // The agent at (5, 5), the box where it is wanted.
  const std::vector<double> state = {5, 5, 0, 0, 1.75, 2.75, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  ASSERT_TRUE(task.ResetTo(state, {{"sites", {2, 3}}}).ok());
  const auto sites = task.Numbers("site_obs");
  EXPECT_EQ(std::vector<float>(sites.begin(), sites.begin() + 6),
            (std::vector<float>{2, 3, 0.25, 1.75, 2.75, 0.25}));
  EXPECT_EQ(std::vector<float>(sites.begin() + 15, sites.end()), std::vector<float>(15));
  EXPECT_THAT(task.Numbers("mask_as_obs"), ElementsAre(1, 0));
  EXPECT_FALSE(task.Step(0));
  EXPECT_TRUE(task.terminated());
  EXPECT_FALSE(task.truncated());
  EXPECT_GT(task.reward(), 2.9);
}

TEST(BlueprintEnvironment, HideAndSeekCanHaveItsFieldsToo) {
  Played game(MakeHideAndSeekFull, {{"pad_sites", {"4"}}});
  Played task(MakeHideAndSeekBlueprint);
  ASSERT_NE(game.Find("site_obs"), nullptr);
  EXPECT_EQ(*game.Find("site_obs"), *task.Find("site_obs"));
  game.Reset(1);
  EXPECT_THAT(game.Numbers("mask_as_obs_spoof"), ElementsAre(0, 0, 0, 0));
}

TEST(ShelterEnvironment, ShowsTheCylinderUnlessToldNotTo) {
  Played shown(MakeHideAndSeekShelter);
  Played hidden(MakeHideAndSeekShelter, {{"show_cylinder", {"false"}}});
  shown.Reset(1);
  const auto cylinder = shown.environment().Extra().at("cylinder");
  EXPECT_EQ(shown.Numbers("cylinder"), std::vector<float>(cylinder.begin(), cylinder.end()));
  EXPECT_EQ(hidden.Find("cylinder"), nullptr);
}

TEST(CountingEnvironment, AsksWithTheLastColumnOfTheAgentAndTerminates) {
  Played task(MakeHideAndSeekCounting, {{"delay", {"3"}}});
  task.Reset(1);
  uint64_t steps = 0;
  while (task.Numbers("observation_self")[9] == 0) ASSERT_TRUE(task.Step(steps++));
  EXPECT_EQ(steps, 41u);
  EXPECT_FALSE(task.Step(steps));
  EXPECT_TRUE(task.terminated());
}

}  // namespace
}  // namespace millrace
