#include "env/hide_and_seek/transfer/transfer_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "task_episode.h"

namespace millrace::hide_and_seek {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string Complaint(Game game, const Given& given) {
  const auto settings = ReadTransferSettings(OptionsOf(given), game, "a_task");
  EXPECT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(settings.status().message());
}

TEST(TransferSettings, OfLockAndReturnAreThePapers) {
  const Settings settings = ReadTask(Game::kLockAndReturn);
  EXPECT_EQ(settings.scenario, Scenario::kRandomWalls);
  EXPECT_EQ(settings.rooms, (Range{6, 6}));
  EXPECT_EQ(settings.outer_walls_chance, 1);
  EXPECT_EQ(settings.wall_friction, 1);
  EXPECT_EQ(settings.boxes, (Range{1, 1}));
  EXPECT_EQ(settings.horizon, 120);
  EXPECT_EQ(settings.spawn_radius, 0.1);
  EXPECT_EQ(settings.preparation_steps(), 0);
  EXPECT_FALSE(settings.show_spawn);
}

TEST(TransferSettings, OfTheOtherTasksAreThePapers) {
  const Settings lock = ReadTask(Game::kSequentialLock);
  EXPECT_EQ(lock.scenario, Scenario::kThreeRooms);
  EXPECT_EQ(lock.door_cells, 0);
  EXPECT_EQ(lock.boxes, (Range{4, 4}));
  EXPECT_EQ(lock.ramps, 3);
  EXPECT_EQ(lock.horizon, 120);
  const Settings blueprint = ReadTask(Game::kBlueprint);
  EXPECT_EQ(blueprint.scenario, Scenario::kEmpty);
  EXPECT_EQ(blueprint.boxes, (Range{8, 8}));
  EXPECT_EQ(blueprint.sites, (Range{1, 4}));
  EXPECT_EQ(blueprint.horizon, 150);
  const Settings shelter = ReadTask(Game::kShelter);
  EXPECT_EQ(shelter.boxes, (Range{8, 8}));
  EXPECT_EQ(shelter.elongated, (Range{3, 3}));
  EXPECT_THAT(shelter.cylinder, testing::ElementsAre(1.5, 2));
  EXPECT_EQ(shelter.horizon, 240);
}

TEST(TransferSettings, OfShelterTakeItsBoxesAndCylinder) {
  const Settings settings =
      ReadTask(Game::kShelter, {{"boxes", {"2"}}, {"diameter", {"1", "1.25"}}});
  EXPECT_EQ(settings.boxes, (Range{2, 2}));
  EXPECT_EQ(settings.elongated, (Range{2, 2}));
  EXPECT_THAT(settings.cylinder, testing::ElementsAre(1, 1.25));
  EXPECT_THAT(Complaint(Game::kShelter, {{"diameter", {"2", "1"}}}),
              HasSubstr("run.yaml:7: environment.diameter: expected [lowest, highest], of at least "
                        "0.1 and at most 3, got [2, 1]"));
  EXPECT_THAT(Complaint(Game::kShelter, {{"elongated", {"9"}}}), HasSubstr("at most 8"));
  EXPECT_THAT(Complaint(Game::kCounting, {{"horizon", {"9"}}}), HasSubstr("unknown key"));
}

TEST(TransferSettings, MakeEasierRooms) {
  const Settings settings =
      ReadTask(Game::kLockAndReturn,
               {{"rooms", {"1", "3"}}, {"door_cells", {"4"}}, {"spawn_radius", {"0.5"}}});
  EXPECT_EQ(settings.rooms, (Range{1, 3}));
  EXPECT_EQ(settings.door_cells, 4);
  EXPECT_EQ(settings.spawn_radius, 0.5);
}

TEST(TransferSettings, PadToTheRowsOfAnotherGame) {
  const Settings settings = ReadTask(Game::kLockAndReturn, {{"pad_agents", {"5"}},
                                                            {"pad_boxes", {"9"}},
                                                            {"pad_ramps", {"2"}},
                                                            {"show_sizes", {"true"}}});
  EXPECT_EQ(settings.other_rows(), 5);
  EXPECT_EQ(settings.box_rows(), 9);
  EXPECT_EQ(settings.ramp_rows(), 2);
  EXPECT_TRUE(settings.shows_sizes());
  // Never less than there is.
  EXPECT_EQ(ReadTask(Game::kLockAndReturn).box_rows(), 1);
  EXPECT_EQ(ReadTask(Game::kLockAndReturn).other_rows(), 0);
}

TEST(TransferSettings, NameThePlaceAndTheNearestOption) {
  EXPECT_EQ(Complaint(Game::kLockAndReturn, {{"rooms", {"0"}}}),
            "run.yaml:7: environment.rooms: expected an integer of at least 1 and at most 100, got "
            "\"0\"");
  EXPECT_THAT(Complaint(Game::kLockAndReturn, {{"pad_box", {"9"}}}),
              AllOf(HasSubstr("option of a_task"), HasSubstr("did you mean \"pad_boxes\"?")));
  // Those of hide and seek that have no meaning here.
  EXPECT_THAT(Complaint(Game::kLockAndReturn, {{"seekers", {"1"}}}), HasSubstr("unknown key"));
  EXPECT_THAT(Complaint(Game::kLockAndReturn, {{"food", {"1"}}}), HasSubstr("unknown key"));
}

}  // namespace
}  // namespace millrace::hide_and_seek
