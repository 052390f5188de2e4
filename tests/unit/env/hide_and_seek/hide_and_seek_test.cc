#include "env/hide_and_seek/hide_and_seek.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "env/agent_slots.h"
#include "env/env_cli.h"
#include "given_options.h"
#include "millrace/core/rng.h"

namespace millrace {
namespace {

using hide_and_seek::Given;
using hide_and_seek::OptionsOf;

std::unique_ptr<Environment> Quadrant(const Given& given = {}) {
  return MakeHideAndSeekQuadrant(OptionsOf(given)).value();
}
std::unique_ptr<Environment> Full(const Given& given = {}) {
  return MakeHideAndSeekFull(OptionsOf(given)).value();
}

// An environment with the slots of its agents, driven by random choices.
class Driven {
 public:
  explicit Driven(std::unique_ptr<Environment> environment)
      : environment_(std::move(environment)), agents_(environment_->spec()) {}

  void Reset(uint64_t seed) {
    agents_.PrepareReset();
    ASSERT_TRUE(environment_->Reset(seed, agents_.slots()).ok());
  }
  // The choices depend on the number of the step alone.
  void Step(uint64_t step) {
    Rng rng(step, 77);
    for (size_t a = 0; a < agents_.slots().size(); ++a) {
      const auto choices = agents_.discrete(a);
      for (size_t c = 0; c < choices.size(); ++c) {
        choices[c] = static_cast<int32_t>(rng.Below(c < 3 ? 11 : 2));
      }
    }
    agents_.PrepareStep();
    ASSERT_TRUE(environment_->Step(agents_.slots()).ok());
    rewards_.clear();
    for (const AgentSlot& slot : agents_.slots()) rewards_.push_back(slot.reward);
    truncated_ = agents_.slots()[0].truncated;
    CheckFinite();
    agents_.FinishStep();
  }

  Environment& environment() { return *environment_; }
  AgentSlots& agents() { return agents_; }
  const std::vector<float>& rewards() const { return rewards_; }
  bool truncated() const { return truncated_; }
  std::vector<double> state() const { return environment_->PhysicalState().value(); }
  std::vector<float> Floats(size_t agent, size_t field) {
    const auto values = agents_.slots()[agent].observation[field].As<float>();
    return {values.begin(), values.end()};
  }
  int present() {
    return static_cast<int>(std::ranges::count(agents_.slots(), true, &AgentSlot::present));
  }

 private:
  void CheckFinite() {
    for (const AgentSlot& slot : agents_.slots()) {
      if (!slot.present) continue;
      for (const TensorView& view : slot.observation) {
        if (view.dtype != DType::kFloat32) continue;
        for (const float value : view.As<float>()) ASSERT_TRUE(std::isfinite(value));
      }
    }
  }

  const std::unique_ptr<Environment> environment_;
  AgentSlots agents_;
  std::vector<float> rewards_;
  bool truncated_ = false;
};

TEST(HideAndSeek, HasAgentsByTeamOfWhomSomeTakePart) {
  Driven full(Full());
  const auto& agents = full.environment().spec().agents;
  ASSERT_EQ(agents.size(), 6);
  EXPECT_EQ(agents[0].name, "hider_0");
  EXPECT_EQ(agents[3].name, "seeker_0");
  EXPECT_EQ(agents[0].action.components.size(), 5);
  std::set<int> counts;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    full.Reset(seed);
    EXPECT_TRUE(full.agents().slots()[0].present);
    EXPECT_TRUE(full.agents().slots()[3].present);
    counts.insert(full.present());
  }
  EXPECT_EQ(counts, (std::set<int>{2, 3, 4, 5, 6}));
}

// At the beginning everybody looks along -y, so that +x is to the left; then the numbers are those
// of the angles and positions beside them.
TEST(HideAndSeek, EgocentricObservationsSayWhereThingsAreFromHere) {
  Driven plain(Quadrant()), more(Quadrant({{"egocentric", {"true"}}}));
  plain.Reset(5);
  more.Reset(5);
  for (uint64_t step = 0; step < 40; ++step) {
    const std::vector<float> self = more.Floats(0, 0), other = more.Floats(0, 2);
    const std::vector<float> box = more.Floats(0, 3);
    ASSERT_EQ(self.size(), 12U);
    ASSERT_EQ(other.size(), 3 * 16U);
    ASSERT_EQ(box.size(), 2 * 14U);
    const std::vector<float> before = plain.Floats(0, 0), box_before = plain.Floats(0, 3);
    EXPECT_TRUE(std::equal(before.begin(), before.end(), self.begin()));
    EXPECT_TRUE(std::equal(box_before.begin(), box_before.begin() + 12, box.begin()));

    const auto ahead_and_left = [](const float* agent, double x, double y) {
      const double ahead_x = std::sin(agent[3]), ahead_y = -std::cos(agent[3]);
      return std::pair(x * ahead_x + y * ahead_y, y * ahead_x - x * ahead_y);
    };
    EXPECT_NEAR(self[10], std::sin(self[3]), 1e-6);
    EXPECT_NEAR(self[11], -std::cos(self[3]), 1e-6);
    EXPECT_NEAR(other[10], std::sin(other[3]), 1e-6);
    const double x = other[0] - self[0], y = other[1] - self[1];
    const auto [ahead, left] = ahead_and_left(self.data(), x, y);
    EXPECT_NEAR(other[12], ahead, 1e-5);
    EXPECT_NEAR(other[13], left, 1e-5);
    const auto [back_ahead, back_left] = ahead_and_left(other.data(), -x, -y);
    EXPECT_NEAR(other[14], back_ahead, 1e-5);
    EXPECT_NEAR(other[15], back_left, 1e-5);
    // From middle to middle: the radius of an agent is 0.15, half a box 0.25.
    const auto [box_ahead, box_left] =
        ahead_and_left(self.data(), box[0] + 0.1 - self[0], box[1] + 0.1 - self[1]);
    EXPECT_NEAR(box[12], box_ahead, 1e-5);
    EXPECT_NEAR(box[13], box_left, 1e-5);
    if (step == 0) {
      EXPECT_NEAR(other[12], -y, 1e-5);
      EXPECT_NEAR(other[13], x, 1e-5);
    }
    plain.Step(step);
    more.Step(step);
  }
}

// The arena of a simulation grows with its bodies; an episode whose contacts do not fit is
// truncated.
TEST(HideAndSeek, HasRoomForTheContactsOfManyThings) {
  Driven large(MakeHideAndSeekLarge(OptionsOf({{"scale", {"4"}},
                                               {"hiders", {"32"}},
                                               {"seekers", {"32"}},
                                               {"boxes", {"100"}},
                                               {"elongated", {"0"}}}))
                   .value());
  large.Reset(1);
  for (uint64_t step = 0; step < 5; ++step) {
    large.Step(step);
    ASSERT_FALSE(large.truncated());
  }
}

TEST(HideAndSeek, DoorsAreShownIfAskedFor) {
  Driven quadrant(Quadrant({{"show_doors", {"true"}}, {"egocentric", {"true"}}}));
  const auto& fields = quadrant.environment().spec().agents[0].observation.fields;
  const auto field = std::ranges::find(fields, "door_obs", &Field::name);
  ASSERT_NE(field, fields.end());
  EXPECT_EQ(field->shape, (std::vector<int64_t>{2, 6}));
  const auto box = std::ranges::find(fields, "box_obs", &Field::name);
  const auto mask = std::ranges::find(fields, "mask_ad_obs_spoof", &Field::name);
  std::set<int> counts;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    quadrant.Reset(seed);
    const auto doors = quadrant.Floats(0, static_cast<size_t>(field - fields.begin()));
    const auto self = quadrant.Floats(0, 0);
    const auto exists = quadrant.agents()
                            .slots()[0]
                            .observation[static_cast<size_t>(mask - fields.begin())]
                            .As<uint8_t>();
    counts.insert(exists[0] + exists[1]);
    for (size_t d = 0; d < 2; ++d) {
      const float* door = doors.data() + 6 * d;
      if (exists[d] == 0) {
        EXPECT_TRUE(std::all_of(door, door + 6, [](float value) { return value == 0; }));
        continue;
      }
      // In the wall x = 3.1, below, or in y = 3.1, to the right; 0.7 m wide.
      const bool vertical = door[2] < door[3];
      EXPECT_NEAR(door[vertical ? 0 : 1], 3.1, 1e-5);
      EXPECT_NEAR(door[vertical ? 2 : 3], 0.1, 1e-5);
      EXPECT_NEAR(door[vertical ? 3 : 2], 0.7, 1e-5);
      EXPECT_NEAR(door[4], self[1] + 0.15F - door[1], 1e-5);  // everybody looks along -y
      EXPECT_NEAR(door[5], door[0] - self[0] - 0.15F, 1e-5);
    }
    // From the middle of an agent and of a box to that of the nearest door.
    const auto expect_nearest = [&](std::span<const float> row, float half) {
      const float x = row[0] + half, y = row[1] + half;
      const size_t second = exists[1] != 0 && std::hypot(doors[6] - x, doors[7] - y) <
                                                  std::hypot(doors[0] - x, doors[1] - y)
                                ? 6
                                : 0;
      EXPECT_NEAR(row[row.size() - 2], doors[second] - x, 1e-5);
      EXPECT_NEAR(row[row.size() - 1], doors[second + 1] - y, 1e-5);
    };
    const auto boxes = quadrant.Floats(0, static_cast<size_t>(box - fields.begin()));
    expect_nearest(self, 0.15F);
    for (size_t b = 0; b < 2; ++b) expect_nearest(std::span(boxes).subspan(16 * b, 16), 0.25F);
  }
  EXPECT_EQ(counts, (std::set<int>{1, 2}));
}

TEST(HideAndSeek, ARepeatedActionIsAsManyStepsWithOneObservation) {
  Driven once(Quadrant()), thrice(Quadrant({{"action_repeat", {"3"}}}));
  once.Reset(9);
  thrice.Reset(9);
  for (uint64_t action = 0; action < 27; ++action) {  // the last one lasts 2 steps
    thrice.Step(action);
    std::vector<float> sums(4, 0);
    for (int i = 0; i < 3 && !once.truncated(); ++i) {
      once.Step(action);
      for (size_t agent = 0; agent < 4; ++agent) sums[agent] += once.rewards()[agent];
    }
    EXPECT_EQ(thrice.rewards(), sums);
    EXPECT_EQ(thrice.state(), once.state());
    EXPECT_EQ(thrice.Floats(1, 0), once.Floats(1, 0));
    EXPECT_EQ(thrice.truncated(), action == 26);
    EXPECT_EQ(once.truncated(), action == 26);
  }
  const auto a = once.environment().EpisodeStatistics();
  const auto b = thrice.environment().EpisodeStatistics();
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])));
  }
}

TEST(HideAndSeek, EpisodesAreTruncatedByTheirHorizon) {
  Driven quadrant(Quadrant());
  quadrant.Reset(1);
  for (uint64_t step = 0; step < 79; ++step) {
    quadrant.Step(step);
    ASSERT_FALSE(quadrant.truncated());
  }
  quadrant.Step(79);
  EXPECT_TRUE(quadrant.truncated());
}

TEST(HideAndSeek, RewardsAddUpToNothing) {
  Driven quadrant(Quadrant({{"allowed_area", {"-9", "-9", "15", "15"}}}));
  quadrant.Reset(2);
  for (uint64_t step = 0; step < 80; ++step) {
    quadrant.Step(step);
    const auto& r = quadrant.rewards();
    EXPECT_EQ(r[0] + r[1] + r[2] + r[3], 0);
    EXPECT_EQ(std::abs(r[0]), step < 32 ? 0 : 1) << step;
  }
}

TEST(HideAndSeek, TheSameSeedGivesTheSameEpisode) {
  Driven one(Full()), other(Full());
  other.Reset(9);  // leaves no trace
  other.Step(0);
  one.Reset(4);
  other.Reset(4);
  for (uint64_t step = 0; step < 60; ++step) {
    one.Step(step);
    other.Step(step);
  }
  EXPECT_EQ(one.state(), other.state());
  EXPECT_EQ(one.Floats(0, 0), other.Floats(0, 0));
}

TEST(HideAndSeek, GoesOnBitForBitFromASavedState) {
  Driven one(Full({{"food", {"2"}}})), other(Full({{"food", {"2"}}}));
  one.Reset(5);
  for (uint64_t step = 0; step < 120; ++step) one.Step(step);
  const auto saved = one.environment().SaveState();
  ASSERT_TRUE(saved.ok());
  ASSERT_TRUE(other.environment().RestoreState(*saved, other.agents().slots()).ok());
  EXPECT_EQ(one.state(), other.state());
  EXPECT_EQ(one.Floats(0, 1), other.Floats(0, 1));
  for (uint64_t step = 120; step < 200; ++step) {
    one.Step(step);
    other.Step(step);
    ASSERT_EQ(one.rewards(), other.rewards());
  }
  EXPECT_EQ(one.state(), other.state());
  EXPECT_EQ(one.environment().Extra(), other.environment().Extra());
  EXPECT_EQ(other.environment().RestoreState("abc", other.agents().slots()).code(),
            absl::StatusCode::kDataLoss);
}

TEST(HideAndSeek, KeepsItsRoomInASavedState) {
  Driven one(Quadrant()), other(Quadrant());
  one.Reset(3);
  const auto room = one.environment().Extra().at("room");
  EXPECT_EQ(room.size(), 4u);
  EXPECT_LT(room[0], room[2]);
  ASSERT_TRUE(other.environment()
                  .RestoreState(*one.environment().SaveState(), other.agents().slots())
                  .ok());
  EXPECT_EQ(other.environment().Extra().at("room"), room);
}

TEST(HideAndSeek, BeginsFromAStateThatIsWrittenDown) {
  Driven one(Full()), other(Full());
  one.Reset(6);
  for (uint64_t step = 0; step < 30; ++step) one.Step(step);
  const ExtraState extra = one.environment().Extra();
  ASSERT_TRUE(other.environment().ResetTo(one.state(), extra, other.agents().slots()).ok());
  EXPECT_EQ(one.Floats(0, 0), other.Floats(0, 0));
  EXPECT_EQ(other.environment().Extra(), extra);
  // The solver's memory is not part of it: nearly the same goes on.
  one.Step(30);
  other.Step(30);
  const auto expected = one.state(), got = other.state();
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 0.02) << i;
}

// Entries of `extra` may be edited one by one: what is locked or held then stays where it lies.
TEST(HideAndSeek, LocksAndHoldsThingsAsTheyLie) {
  Driven one(Quadrant());
  one.Reset(1);
  for (uint64_t step = 0; step < 5; ++step) one.Step(step);
  const auto before = one.state();
  ExtraState extra = one.environment().Extra();
  const auto step_from = [&](const ExtraState& changed) {
    Driven other(Quadrant());
    EXPECT_TRUE(other.environment().ResetTo(before, changed, other.agents().slots()).ok());
    other.Step(0);
    return other.state();
  };
  const size_t box = 4 * 4;  // behind four agents, as all of four joints
  const auto expect_still = [&](const std::vector<double>& after, size_t first) {
    for (size_t i = first; i < first + 4; ++i) EXPECT_NEAR(after[i], before[i], 0.15) << i;
  };
  ExtraState locked = extra;
  locked["locked"] = {1, 1, 0};
  expect_still(step_from(locked), box);
  expect_still(step_from(locked), box + 4);
  ExtraState held = extra;
  held["held"] = {0, -1, -1, -1};
  const auto pulled = step_from(held);
  for (size_t height : {size_t{2}, box + 2}) EXPECT_NEAR(pulled[height], before[height], 0.02);
  std::swap(locked["locked_at"][0], locked["locked_at"][1]);  // of another place
  expect_still(step_from(locked), box);
}

TEST(HideAndSeek, RefusesStatesThatCannotBe) {
  Driven quadrant(Quadrant());
  quadrant.Reset(1);
  const auto state = quadrant.state();
  const auto error = [&](const ExtraState& extra) {
    const absl::Status status =
        quadrant.environment().ResetTo(state, extra, quadrant.agents().slots());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  const auto contains = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  contains(error({{"ownres", {0, 0, 0}}}), "did you mean \"owners\"?");
  contains(error({{"locked", {1, 0}}}), "locked: expected 3 numbers, got 2");
  contains(error({{"owners", {0, 9, 0}}}), "owners: expected whole numbers from 0 to 3, got 9");
  contains(error({{"walls", {1, 1, 2, 2, 0}}}), "walls: expected two or more cells of one row");
  contains(error({{"held", {5, -1, -1, -1}}}), "held: expected whole numbers from -1 to 2, got 5");
  contains(error({{"walls", {1, 1, 1, 1, 0}}}), "walls: expected two or more cells of one row");
  contains(error({{"box_sizes", {1e-30, 1, 1}}}), "box_sizes: expected sizes from 0.01 to 100");
  contains(error({{"seekers", {0}}}), "seekers: expected whole numbers from 1 to 2, got 0");
}

TEST(HideAndSeek, TakesAStateAloneIfTheWorldFits) {
  Driven one(Quadrant()), fresh(Quadrant());
  one.Reset(1);
  const auto state = one.state();
  ASSERT_TRUE(fresh.environment().ResetTo(state, {}, fresh.agents().slots()).ok());
  EXPECT_EQ(fresh.state(), state);
  EXPECT_EQ(
      fresh.environment().ResetTo(std::span(state).first(8), {}, fresh.agents().slots()).code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(HideAndSeek, SpeaksThroughTheCommandLine) {
  const auto environment = Quadrant();
  std::istringstream in(
      "{\"reset\": {\"seed\": 3}}\n"
      "{\"action\": [[5,5,5,0,0],[10,5,5,0,1],[5,5,5,0,0],[5,5,5,1,0]]}\n");
  std::ostringstream out;
  RunEnvStep(*environment, in, out);
  const std::string text = out.str();
  EXPECT_EQ(text.find("error"), std::string::npos) << text.substr(0, 400);
  for (const char* part :
       {"\"observation_self\"", "\"mask_ab_obs_spoof\"", "\"walls\"", "\"owners\""}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
}

}  // namespace
}  // namespace millrace
