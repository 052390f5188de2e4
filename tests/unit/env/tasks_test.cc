// What the built-in tasks pay, end and show; the rest is in the conformance suites.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "env/agent_slots.h"
#include "env/builtin_environments.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Options With(const std::string& key, const std::string& value) {
  Options options;
  options.Set(key, {.items = {value}, .is_list = false, .where = "run.yaml:7"});
  return options;
}

absl::Status Step(Environment& environment, AgentSlots& agents) {
  agents.PrepareStep();
  absl::Status status = environment.Step(agents.slots());
  agents.FinishStep();
  return status;
}

TEST(CartPole, TruncatesAlsoInAStepThatTerminates) {
  auto environment = MakeCartPole(With("max_episode_steps", "1")).value();
  AgentSlots agents(environment->spec());
  agents.PrepareReset();
  ASSERT_TRUE(environment->ResetTo(std::vector<double>{2.39, 5, 0, 0}, {}, agents.slots()).ok());
  ASSERT_TRUE(Step(*environment, agents).ok());
  EXPECT_TRUE(agents.slots()[0].terminated);
  EXPECT_TRUE(agents.slots()[0].truncated);
  EXPECT_EQ(agents.slots()[0].reward, 1.0f);
}

TEST(CartPole, TimeLimitGoesOnFromTheStepInExtra) {
  auto environment = MakeCartPole({}).value();
  AgentSlots agents(environment->spec());
  agents.PrepareReset();
  const std::vector<double> upright(4, 0.0);
  ASSERT_TRUE(environment->ResetTo(upright, {{"step", {499}}}, agents.slots()).ok());
  ASSERT_TRUE(Step(*environment, agents).ok());
  EXPECT_FALSE(agents.slots()[0].terminated);
  EXPECT_TRUE(agents.slots()[0].truncated);
}

TEST(CartPole, DrawsItsPoleFromTheCartToTheTip) {
  auto environment = MakeCartPole({}).value();
  AgentSlots agents(environment->spec());
  agents.PrepareReset();
  ASSERT_TRUE(environment->ResetTo(std::vector<double>{1, 0, 0.1, 0}, {}, agents.slots()).ok());
  const auto drawing = environment->Draw();
  ASSERT_TRUE(drawing.has_value());
  const auto& pole = std::get<shapes::Line>(drawing->shapes[2]);
  EXPECT_NEAR(pole.from.x, 1, 1e-12);
  EXPECT_NEAR(pole.to.x - pole.from.x, std::sin(0.1), 1e-12);  // the pole is 1 long
  EXPECT_NEAR(pole.to.y - pole.from.y, std::cos(0.1), 1e-12);
  EXPECT_FALSE(MakePendulum({}).value()->Draw().has_value());
}

TEST(CartPole, WrongStatesAreRefused) {
  auto environment = MakeCartPole({}).value();
  AgentSlots agents(environment->spec());
  const std::vector<double> upright(4, 0.0);
  EXPECT_EQ(std::string(environment->ResetTo({{0, 0}}, {}, agents.slots()).message()),
            "state: expected 4 numbers, got 2");
  EXPECT_EQ(std::string(environment->ResetTo(upright, {{"stp", {3}}}, agents.slots()).message()),
            "extra: expected step, got \"stp\"; did you mean \"step\"?");
  EXPECT_THAT(
      std::string(environment->ResetTo(upright, {{"step", {-1}}}, agents.slots()).message()),
      HasSubstr("extra: step: expected one whole number from 0"));
}

TEST(CartPole, WrongOptionsNameFileAndLine) {
  EXPECT_EQ(std::string(MakeCartPole(With("velocty", "false")).status().message()),
            "run.yaml:7: velocty: expected an option of cartpole, got an unknown key; did you mean "
            "\"velocity\"?");
  EXPECT_THAT(std::string(MakeCartPoleBatch(With("max_episode_steps", "0"), 2).status().message()),
              HasSubstr("run.yaml:7: max_episode_steps: expected an integer of at least 1"));
}

// Plays one episode; the policy sees the first observation or only the present one.
float PlayMemory(Environment& environment, uint64_t seed, bool remembers, int* length) {
  AgentSlots agents(environment.spec());
  agents.PrepareReset();
  EXPECT_TRUE(environment.Reset(seed, agents.slots()).ok());
  const std::span<const float> observation = agents.slots()[0].observation[0].As<float>();
  const int32_t cue = observation[1] == 1.0f ? 1 : 0;
  float total = 0;
  for (*length = 0; !agents.ended(); ++*length) {
    agents.discrete(0)[0] = remembers ? cue : 0;
    EXPECT_TRUE(Step(environment, agents).ok());
    total += agents.slots()[0].reward;
  }
  return total;
}

TEST(Memory, PaysOneForTheCueAndHalfOfThatWithoutMemory) {
  auto environment = MakeMemory({}).value();
  float with_memory = 0, without = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    int length = 0;
    with_memory += PlayMemory(*environment, seed, true, &length);
    EXPECT_EQ(length, 10);  // cue, 8 steps of delay, query
    without += PlayMemory(*environment, seed, false, &length);
  }
  EXPECT_EQ(with_memory, 400);
  EXPECT_NEAR(without / 400, 0.5, 0.1);  // 4 standard deviations of a fair coin
}

TEST(Memory, ShowsTheCueOnceAndMarksTheQuery) {
  auto environment = MakeMemory(With("delay", "1")).value();
  AgentSlots agents(environment->spec());
  agents.PrepareReset();
  ASSERT_TRUE(environment->ResetTo({{1}}, {}, agents.slots()).ok());
  const std::span<const float> observation = agents.slots()[0].observation[0].As<float>();
  EXPECT_THAT(observation, ElementsAre(0, 1, 0));
  ASSERT_TRUE(Step(*environment, agents).ok());
  EXPECT_THAT(observation, ElementsAre(0, 0, 0));
  ASSERT_TRUE(Step(*environment, agents).ok());
  EXPECT_THAT(observation, ElementsAre(0, 0, 1));
}

// The column of the lit pixel in a row of the board, -1 if there is none.
int Lit(const AgentSlots& agents, size_t row) {
  const auto board = agents.slots()[0].observation[0].As<uint8_t>().subspan(5 * row, 5);
  const auto lit = std::ranges::find(board, 255);
  return lit == board.end() ? -1 : static_cast<int>(lit - board.begin());
}

TEST(Catch, PaysOneForTheBallAndTakesOneWithoutIt) {
  auto environment = MakeCatch({}).value();
  AgentSlots agents(environment->spec());
  int starts[5] = {};
  for (uint64_t seed = 0; seed < 200; ++seed) {
    agents.PrepareReset();
    ASSERT_TRUE(environment->Reset(seed, agents.slots()).ok());
    const int ball = Lit(agents, 0);
    ++starts[ball];
    EXPECT_EQ(Lit(agents, 9), 2);  // the paddle begins in the middle
    const bool follow = seed % 2 == 0;
    int length = 0;
    for (; !agents.ended(); ++length) {
      const int paddle = Lit(agents, 9);
      const int target = follow ? ball : ball < 2 ? 4 : 0;
      agents.discrete(0)[0] = 1 + (target > paddle) - (target < paddle);
      ASSERT_TRUE(Step(*environment, agents).ok());
      if (length < 8) {
        EXPECT_EQ(agents.slots()[0].reward, 0.0f);
        EXPECT_EQ(Lit(agents, static_cast<size_t>(length + 1)), ball);
        EXPECT_EQ(Lit(agents, static_cast<size_t>(length)), -1);
      }
    }
    EXPECT_EQ(length, 9);  // 10 rows
    EXPECT_TRUE(agents.slots()[0].terminated);
    EXPECT_EQ(agents.slots()[0].reward, follow ? 1.0f : -1.0f);
  }
  for (const int count : starts) EXPECT_GT(count, 20);  // of 40
}

TEST(Catch, ThePaddleStaysOnTheBoard) {
  auto environment = MakeCatch({}).value();
  AgentSlots agents(environment->spec());
  for (const int32_t move : {0, 2}) {
    agents.PrepareReset();
    ASSERT_TRUE(environment->ResetTo({{0, 2}}, {}, agents.slots()).ok());
    for (int step = 0; step < 4; ++step) {
      agents.discrete(0)[0] = move;
      ASSERT_TRUE(Step(*environment, agents).ok());
    }
    EXPECT_EQ(Lit(agents, 9), move == 0 ? 0 : 4);
  }
}

TEST(Catch, WrongStatesAreRefused) {
  auto environment = MakeCatch({}).value();
  AgentSlots agents(environment->spec());
  EXPECT_EQ(std::string(environment->ResetTo({{5, 0}}, {}, agents.slots()).message()),
            "state: ball and paddle: expected columns 0 to 4, got 5");
  EXPECT_FALSE(environment->ResetTo({{0, 0}}, {{"step", {9}}}, agents.slots()).ok());
  EXPECT_TRUE(absl::IsDataLoss(environment->RestoreState("short", agents.slots())));
}

TEST(TwoAgentCartPole, EachEpisodeEndsOnItsOwn) {
  auto environment = MakeTwoAgentCartPole({}).value();
  AgentSlots agents(environment->spec());
  agents.PrepareReset();
  const std::vector<double> one_falls = {0, 0, 0.2, 2, 0, 0, 0, 0};
  ASSERT_TRUE(environment->ResetTo(one_falls, {}, agents.slots()).ok());
  ASSERT_TRUE(Step(*environment, agents).ok());
  EXPECT_TRUE(agents.slots()[0].terminated);
  EXPECT_FALSE(agents.slots()[1].terminated);
  EXPECT_FALSE(agents.slots()[0].present);
  ASSERT_TRUE(Step(*environment, agents).ok());
  EXPECT_EQ(agents.slots()[0].reward, 0.0f);
  EXPECT_EQ(agents.slots()[1].reward, 1.0f);
  EXPECT_FALSE(agents.slots()[0].present);
  EXPECT_TRUE(agents.slots()[1].present);
}

TEST(Assortment, RefusesMaskedChoicesAndPullsOutOfTheBox) {
  auto environment = MakeAssortment({}).value();
  AgentSlots agents(environment->spec());
  const std::span<const uint8_t> mask = agents.mask(0);
  int32_t allowed = -1, masked = -1;
  for (uint64_t seed = 0; masked < 0; ++seed) {
    agents.PrepareReset();
    ASSERT_TRUE(environment->Reset(seed, agents.slots()).ok());
    for (int32_t door = 0; door < 4; ++door) {
      (mask[static_cast<size_t>(door)] != 0 ? allowed : masked) = door;
    }
  }
  agents.discrete(0)[0] = masked;
  EXPECT_THAT(std::string(Step(*environment, agents).message()),
              HasSubstr("agent \"agent_0\": component \"door\": expected a choice that the action "
                        "mask allows"));
  agents.discrete(0)[0] = allowed;
  agents.discrete(0)[1] = mask[4] != 0 ? 0 : mask[5] != 0 ? 1 : 2;
  agents.continuous(0)[0] = 1.5f;
  EXPECT_THAT(std::string(Step(*environment, agents).message()),
              HasSubstr("component \"rope\": expected numbers from -1 to 1, got 1.5"));
}

// A policy that reads everything gets 1 a step, and all three agents are seen coming and going.
TEST(Assortment, ReadingTheObservationPaysOneAStep) {
  auto environment = MakeAssortment(With("max_episode_steps", "200")).value();
  AgentSlots agents(environment->spec());
  agents.PrepareReset();
  ASSERT_TRUE(environment->Reset(3, agents.slots()).ok());
  int joined[3] = {}, left[3] = {};
  for (int step = 0; step < 200; ++step) {
    bool before[3];
    for (size_t a = 0; a < 3; ++a) {
      const AgentSlot& slot = agents.slots()[a];
      before[a] = slot.present;
      if (!slot.present) continue;
      const auto picture = slot.observation[0].As<uint8_t>();
      const auto brightest = std::ranges::max_element(picture) - picture.begin();
      agents.discrete(a)[0] = static_cast<int32_t>(brightest / 4);
      const auto cue = slot.observation[3].As<float>();
      agents.discrete(a)[1] = static_cast<int32_t>(std::ranges::max_element(cue) - cue.begin());
      std::ranges::copy(slot.observation[1].As<float>(), agents.continuous(a).begin());
    }
    ASSERT_TRUE(Step(*environment, agents).ok());
    for (size_t a = 0; a < 3; ++a) {
      EXPECT_NEAR(agents.slots()[a].reward, before[a] ? 1.0f : 0.0f, 1e-6);
      joined[a] += !before[a] && agents.slots()[a].present ? 1 : 0;
      left[a] += before[a] && !agents.slots()[a].present ? 1 : 0;
    }
  }
  EXPECT_TRUE(agents.ended());
  EXPECT_EQ(joined[0], 0);
  for (size_t a : {1, 2}) {
    EXPECT_GT(joined[a], 3);
    EXPECT_GT(left[a], 3);
  }
}

}  // namespace
}  // namespace millrace
