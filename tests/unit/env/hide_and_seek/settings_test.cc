// What hide and seek's options make of its settings, and what they refuse.
#include "env/hide_and_seek/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "given_options.h"

namespace millrace::hide_and_seek {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kClose = 1e-9;  // metres

std::string Complaint(const std::string& name, const Given& given) {
  const auto settings = ReadSettings(OptionsOf(given), name);
  EXPECT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(settings.status().message());
}

TEST(Settings, OfTheQuadrantAreOpenAis) {
  const Settings settings = Read(kQuadrant);
  EXPECT_EQ(settings.scenario, Scenario::kQuadrant);
  EXPECT_EQ(settings.hiders, (Range{2, 2}));
  EXPECT_EQ(settings.seekers, (Range{2, 2}));
  EXPECT_EQ(settings.boxes, (Range{2, 2}));
  EXPECT_FALSE(settings.shows_sizes());
  EXPECT_EQ(settings.ramps, 1);
  EXPECT_FALSE(settings.lock_ramps);
  EXPECT_EQ(settings.horizon, 80);
  EXPECT_EQ(settings.preparation_steps(), 32);
  EXPECT_THAT(settings.allowed_area, ElementsAre(0.1, 0.1, 5.9, 5.9));
  EXPECT_TRUE(settings.penalize_objects_outside);
  EXPECT_EQ(settings.wall_friction, 0.01);
}

TEST(Settings, OfTheFullEnvironmentAreThePapers) {
  const Settings settings = Read(kFull);
  EXPECT_EQ(settings.scenario, Scenario::kRandomWalls);
  EXPECT_EQ(settings.max_agents(), 6);
  EXPECT_EQ(settings.boxes, (Range{3, 9}));
  EXPECT_EQ(settings.elongated, (Range{3, 9}));
  EXPECT_EQ(settings.rooms, (Range{1, 4}));
  EXPECT_EQ(settings.ramps, 2);
  EXPECT_TRUE(settings.lock_ramps);
  EXPECT_EQ(settings.horizon, 240);
  EXPECT_EQ(settings.preparation_steps(), 96);
  EXPECT_THAT(settings.allowed_area, ElementsAre(-6, -6, 12, 12));
  EXPECT_FALSE(settings.penalize_objects_outside);
  EXPECT_EQ(settings.outer_walls_chance, 0.5);
  EXPECT_EQ(settings.wall_friction, 1.0);
}

TEST(Settings, OfTheLargeFloorScale) {
  const Settings settings = Read(kLarge);
  EXPECT_EQ(settings.grid_size, 45);
  EXPECT_NEAR(settings.floor_size, 9, kClose);
  EXPECT_THAT(settings.allowed_area, ElementsAre(-9, -9, 18, 18));
  EXPECT_EQ(settings.team_radius, 0.75);
  EXPECT_EQ(settings.horizon, 240);
  const Settings twice =
      Read(kLarge, {{"scale", {"2.0"}}, {"scale_horizon", {"true"}}, {"team_radius", {"0.5"}}});
  EXPECT_EQ(twice.grid_size, 60);
  EXPECT_EQ(twice.horizon, 480);
  EXPECT_EQ(twice.preparation_steps(), 192);
  EXPECT_EQ(twice.team_radius, 0.5);
}

TEST(Settings, TakeANumberOrARange) {
  EXPECT_EQ(Read(kFull, {{"hiders", {"2"}}}).hiders, (Range{2, 2}));
  EXPECT_EQ(Read(kFull, {{"hiders", {"2", "5"}}}).hiders, (Range{2, 5}));
}

TEST(Settings, HaveNoMoreElongatedBoxesThanBoxes) {
  EXPECT_EQ(Read(kFull, {{"boxes", {"2"}}}).elongated, (Range{2, 2}));
  EXPECT_EQ(Read(kFull, {{"boxes", {"4", "12"}}}).elongated, (Range{3, 12}));
  EXPECT_EQ(Read(kQuadrant, {{"boxes", {"4"}}}).elongated, (Range{0, 0}));
  EXPECT_EQ(Read(kFull, {{"boxes", {"1", "4"}}, {"elongated", {"2", "4"}}}).elongated,
            (Range{2, 4}));
}

// Steps that begin in the preparation: 0.1 x 30 is three, though 3.0000000000000004 in doubles.
TEST(Settings, CountPreparationInWholeSteps) {
  EXPECT_EQ(Read(kFull, {{"preparation", {"0.1"}}, {"horizon", {"30"}}}).preparation_steps(), 3);
  EXPECT_EQ(Read(kFull, {{"preparation", {"0.4"}}, {"horizon", {"81"}}}).preparation_steps(), 33);
  EXPECT_EQ(Read(kFull, {{"preparation", {"0"}}}).preparation_steps(), 0);
}

TEST(Settings, TakeEveryOption) {
  const Settings settings = Read(kQuadrant, {{"lock", {"any_lock"}},
                                             {"cone_degrees", {"90"}},
                                             {"cone_uses_corner", {"false"}},
                                             {"grab_unseen", {"true"}},
                                             {"lock_unseen", {"true"}},
                                             {"lidar_rays", {"12"}},
                                             {"reward", {"selfish"}},
                                             {"allowed_area", {"0", "-1", "6", "7"}},
                                             {"food", {"2"}},
                                             {"food_respawn_steps", {"9"}},
                                             {"eat_when_seen", {"true"}},
                                             {"food_shared", {"false"}}});
  EXPECT_EQ(settings.lock, Settings::Lock::kAnyLock);
  EXPECT_NEAR(settings.cone_half_angle, std::numbers::pi / 4, kClose);
  EXPECT_FALSE(settings.cone_uses_corner);
  EXPECT_TRUE(settings.grab_unseen);
  EXPECT_TRUE(settings.lock_unseen);
  EXPECT_EQ(settings.lidar_rays, 12);
  EXPECT_EQ(settings.reward, Settings::Reward::kSelfish);
  EXPECT_THAT(settings.allowed_area, ElementsAre(0, -1, 6, 7));
  EXPECT_EQ(settings.food, 2);
  EXPECT_EQ(settings.food_respawn_steps, 9);
  EXPECT_TRUE(settings.eat_when_seen);
  EXPECT_FALSE(settings.food_shared);
}

TEST(Settings, NameThePlaceAndTheValidRange) {
  EXPECT_EQ(Complaint(kFull, {{"hiders", {"0"}}}),
            "run.yaml:7: environment.hiders: expected an integer of at least 1 and at most 32, got "
            "\"0\"");
  EXPECT_EQ(Complaint(kFull, {{"hiders", {"3", "1"}}}),
            "run.yaml:7: environment.hiders: expected an integer or [lowest, highest], of at least "
            "1 and at most 32, got [3, 1]");
  EXPECT_THAT(Complaint(kFull, {{"hiders", {"1", "2", "3"}}}), HasSubstr("got [1, 2, 3]"));
  EXPECT_THAT(Complaint(kFull, {{"hiders", {"1", "2.5"}}}), HasSubstr("got [1, 2.5]"));
  EXPECT_THAT(Complaint(kFull, {{"hiders", {"1", "many"}}}), HasSubstr("a list of numbers"));
  EXPECT_THAT(Complaint(kFull, {{"elongated", {"10"}}}), HasSubstr("at most 9"));
  EXPECT_THAT(Complaint(kFull, {{"allowed_area", {"6", "0", "0", "6"}}}), HasSubstr("x0 < x1"));
  EXPECT_THAT(Complaint(kLarge, {{"scale", {"5"}}}), HasSubstr("at most 4"));
}

TEST(Settings, NameTheNearestValidName) {
  EXPECT_THAT(Complaint(kFull, {{"scenario", {"random_walls"}}}),
              AllOf(HasSubstr("run.yaml:7: environment.scenario: expected one of"),
                    HasSubstr("did you mean \"randomwalls\"?")));
  EXPECT_THAT(Complaint(kFull, {{"lock", {"any_locks"}}}), HasSubstr("\"any_lock\""));
  EXPECT_THAT(Complaint(kFull, {{"hider", {"2"}}}),
              AllOf(HasSubstr("option of hide_and_seek_full"), HasSubstr("\"hiders\"")));
  EXPECT_THAT(Complaint(kFull, {{"scale", {"2"}}}), HasSubstr("unknown key"));
}

}  // namespace
}  // namespace millrace::hide_and_seek
