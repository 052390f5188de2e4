#include "env/hide_and_seek/episode.h"

#include <gtest/gtest.h>

#include "env/hide_and_seek/observation.h"
#include "hand_made_world.h"

namespace millrace::hide_and_seek {
namespace {

constexpr int32_t kFull = kMoveChoices - 1;

std::unique_ptr<Episode> Begin(const Settings& settings, const Places& places) {
  auto episode = Episode::Begin(settings, HandMadeWorld(places), /*seed=*/1);
  EXPECT_TRUE(episode.ok()) << episode.status();
  return *std::move(episode);
}

std::vector<float> Step(Episode& episode, std::vector<Action> actions = {}) {
  actions.resize(static_cast<size_t>(episode.num_agents()));
  std::vector<float> rewards(actions.size());
  EXPECT_TRUE(episode.Step(actions, rewards));
  return rewards;
}

Settings WithoutPreparation() {
  Settings settings;
  settings.preparation = 0;
  return settings;
}

// Everybody faces low y at first.
const Places kSeen = {.hiders = {{3, 2}}, .seekers = {{3, 4}}};
const Places kUnseen = {.hiders = {{3, 4}}, .seekers = {{3, 2}}};

TEST(Episode, PaysNobodyInThePreparationAndThenAllForWhatSeekersSee) {
  const auto seen = Begin(Settings(), kSeen), unseen = Begin(Settings(), kUnseen);
  for (int step = 0; step < 32; ++step) {
    ASSERT_TRUE(seen->preparing());
    EXPECT_EQ(Step(*seen), (std::vector<float>{0, 0})) << step;
    Step(*unseen);
  }
  EXPECT_FALSE(seen->preparing());
  EXPECT_EQ(Step(*seen), (std::vector<float>{-1, 1}));
  EXPECT_EQ(Step(*unseen), (std::vector<float>{1, -1}));
  while (!seen->over()) Step(*seen);
  EXPECT_EQ(seen->step(), 80);
}

TEST(Episode, ShowsTheProgressOfThePreparation) {
  const auto episode = Begin(Settings(), kSeen);
  EXPECT_EQ(episode->progress(), 0);
  Step(*episode);
  EXPECT_NEAR(episode->progress(), 1.0 / 32, 1e-6);
  while (episode->step() < 32) Step(*episode);
  EXPECT_LT(episode->progress(), 1);  // the original adds 1e-5 to the length
  Step(*episode);
  EXPECT_EQ(episode->progress(), 1);
}

TEST(Episode, KeepsSeekersStillInThePreparation) {
  const auto episode = Begin(Settings(), kSeen);
  Action push;
  push.move[0] = kFull;
  for (int step = 0; step < 5; ++step) Step(*episode, {push, push});
  EXPECT_GT(episode->scene().Position(0)[0], 4);
  EXPECT_NEAR(episode->scene().Position(1)[0], 3, 1e-6);
}

TEST(Episode, TeamsAreCaughtTogetherOrEachForItself) {
  // hider_1 is behind the seeker.
  const Places places = {.hiders = {{3, 2}, {3, 5}}, .seekers = {{3, 4}, {1, 1}}};
  Settings settings = WithoutPreparation();
  EXPECT_EQ(Step(*Begin(settings, places)), (std::vector<float>{-1, -1, 1, 1}));
  settings.reward = Settings::Reward::kSelfish;
  EXPECT_EQ(Step(*Begin(settings, places)), (std::vector<float>{-1, 1, 1, -1}));
  settings.reward = Settings::Reward::kJointMean;
  EXPECT_EQ(Step(*Begin(settings, places)), (std::vector<float>{0, 0, 0, 0}));
}

TEST(Episode, LeavingTheAreaCostsTen) {
  Settings settings = WithoutPreparation();
  const Places agent_outside = {.hiders = {{6, 2}}, .seekers = {{3, 1}}};
  EXPECT_EQ(Step(*Begin(settings, agent_outside)), (std::vector<float>{-10, -1}));
  const Places box_outside = {.hiders = {{3, 4}}, .seekers = {{3, 2}}, .boxes = {Cube(5.8, 1)}};
  EXPECT_EQ(Step(*Begin(settings, box_outside)), (std::vector<float>{-10, -10}));
  settings.penalize_objects_outside = false;
  EXPECT_EQ(Step(*Begin(settings, box_outside)), (std::vector<float>{1, -1}));
}

// A box right in front of the hider: its top face is 0.25 m below.
const Places kBoxInFront = {.hiders = {{3, 3}}, .seekers = {{1, 5}}, .boxes = {Cube(2.9, 2.45)}};

TEST(Episode, PullsTheNearestThingInSight) {
  Places places = kBoxInFront;
  places.boxes.push_back(Cube(2.9, 3.32));  // nearer, but behind
  const auto episode = Begin(WithoutPreparation(), places);
  ASSERT_LT(episode->scene().Distance(0, 1), episode->scene().Distance(0, 0));
  Action pull;
  pull.pull = true;
  Step(*episode, {pull});
  EXPECT_EQ(episode->scene().held(0), 0);
  Step(*episode, {Action()});
  EXPECT_EQ(episode->scene().held(0), Scene::kNoThing);
}

TEST(Episode, PullsNothingOutOfReachOrOutOfSight) {
  Places places = kBoxInFront;
  places.boxes = {Cube(2.9, 2.3)};  // 0.35 m from the centre of the agent
  Action pull;
  pull.pull = true;
  auto episode = Begin(WithoutPreparation(), places);
  Step(*episode, {pull});
  EXPECT_EQ(episode->scene().held(0), Scene::kNoThing);
  places.boxes = {Cube(2.9, 3.35)};
  episode = Begin(WithoutPreparation(), places);
  Step(*episode, {pull});
  EXPECT_EQ(episode->scene().held(0), Scene::kNoThing);
  Settings blind = WithoutPreparation();
  blind.grab_unseen = true;
  episode = Begin(blind, places);
  Step(*episode, {pull});
  EXPECT_EQ(episode->scene().held(0), 0);
}

TEST(Episode, LocksWhatIsNearAndInSight) {
  const auto episode = Begin(WithoutPreparation(), kBoxInFront);
  Action lock;
  lock.glue = true;
  Step(*episode, {lock});
  EXPECT_TRUE(episode->locked(0));
  EXPECT_EQ(episode->owner(0), 0);
  Step(*episode, {lock});
  EXPECT_TRUE(episode->locked(0));
  Step(*episode, {Action()});
  EXPECT_FALSE(episode->locked(0));
}

TEST(Episode, RampsAreLockedOnlyWhereThatIsAllowed) {
  Places places = kBoxInFront;
  std::swap(places.boxes, places.ramps);
  Settings settings = WithoutPreparation();
  Action lock;
  lock.glue = true;
  for (const bool allowed : {false, true}) {
    settings.lock_ramps = allowed;
    const auto episode = Begin(settings, places);
    Step(*episode, {lock});
    EXPECT_EQ(episode->locked(0), allowed);
  }
}

TEST(Episode, BoxesHideAndLongOnesStandOffCentreInTheCone) {
  Places places = kSeen;
  places.boxes = {Cube(2.9, 3)};
  const auto episode = Begin(WithoutPreparation(), places);
  EXPECT_FALSE(episode->sight().Sees(1, 0));
  EXPECT_TRUE(episode->sight().Sees(1, 2));
  // Between corners this box lies 55 degrees to the side, between centres 70; the cone has 67.5.
  places.boxes = {{.size = {1.65, 0.15, 0.5}, .x = 3.5, .y = 3.65}};
  Settings settings;
  EXPECT_TRUE(Begin(settings, places)->sight().Sees(1, 2));
  settings.cone_uses_corner = false;
  EXPECT_FALSE(Begin(settings, places)->sight().Sees(1, 2));
}

TEST(Food, IsEatenSharedAndComesBack) {
  Settings settings;
  settings.food_health = 2.5;
  settings.food_respawn_steps = 2;
  const std::array<std::array<double, 2>, 1> places = {{{1, 1}}};
  Food food(settings, places);
  std::vector<double> eaten(2);
  const std::vector<uint8_t> both = {1, 1}, nobody = {0, 0};
  food.Step(both, eaten);
  EXPECT_EQ(eaten, (std::vector<double>{1, 1}));
  food.Step(both, eaten);
  EXPECT_EQ(eaten, (std::vector<double>{1.25, 1.25}));
  EXPECT_EQ(food.sites()[0].health, 0);
  food.Step(both, eaten);
  EXPECT_EQ(eaten, (std::vector<double>{1.25, 1.25}));
  food.Step(nobody, eaten);
  EXPECT_EQ(food.sites()[0].health, 2.5);
}

TEST(Episode, HidersEatWhatTheySeeAndReachEvenWhileFined) {
  Settings settings = WithoutPreparation();
  settings.food = 1;
  settings.food_reward = 0.5;
  World world = HandMadeWorld(kUnseen);
  world.food = {{3.1, 3.6}};  // before the hider, which faces low y
  const auto eat = [&](const World& of) {
    const auto episode = Episode::Begin(settings, of, /*seed=*/1);
    return Step(**episode);
  };
  EXPECT_EQ(eat(world), (std::vector<float>{1.5, -1}));
  World behind = world;
  behind.food = {{3.1, 4.4}};
  EXPECT_EQ(eat(behind), (std::vector<float>{1, -1}));
  World fined = world;
  fined.boxes = {Cube(5.8, 1)};
  EXPECT_EQ(eat(fined), (std::vector<float>{-9.5, -10}));
  World seen = world;
  seen.agents = {{3, 4}, {3, 5}};
  EXPECT_EQ(eat(seen), (std::vector<float>{-1, 1}));
  World team = HandMadeWorld({.hiders = {{3, 4}, {5, 5}}, .seekers = {{3, 2}}});
  team.food = world.food;
  EXPECT_EQ(eat(team), (std::vector<float>{1.25, 1.25, -1}));
  settings.food_shared = false;
  EXPECT_EQ(eat(team), (std::vector<float>{1.5, 1, -1}));
}

// What an observer writes, by field.
class Observation {
 public:
  Observation(const Settings& settings, const Episode& episode, int agent) : observer_(settings) {
    for (const Field& field : observer_.spec().fields) {
      bytes_.emplace_back(static_cast<size_t>(NumElements(field.shape)) * SizeOf(field.dtype),
                          std::byte{0xFF});
      views_.push_back({field.dtype, field.shape, bytes_.back().data()});
    }
    observer_.Write(episode, agent, views_);
  }

  std::vector<float> Row(const std::string& field, size_t row = 0) const {
    const TensorView& view = Find(field);
    const auto width = static_cast<size_t>(view.shape.back());
    const auto numbers = view.As<float>().subspan(row * width, width);
    return {numbers.begin(), numbers.end()};
  }
  std::vector<int> Mask(const std::string& field) const {
    const auto marks = Find(field).As<uint8_t>();
    return {marks.begin(), marks.end()};
  }
  const TensorView& Find(const std::string& field) const {
    for (size_t f = 0; f < views_.size(); ++f) {
      if (observer_.spec().fields[f].name == field) return views_[f];
    }
    ADD_FAILURE() << "no field " << field;
    return views_[0];
  }
  std::vector<int64_t> ShapeOf(const std::string& field) const {
    const auto shape = Find(field).shape;
    return {shape.begin(), shape.end()};
  }
  bool Has(const std::string& name) const {
    return std::ranges::count(observer_.spec().fields, name, &Field::name) > 0;
  }

 private:
  const Observer observer_;
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<TensorView> views_;
};

TEST(Observation, OfTheQuadrantHasItsShapes) {
  const auto settings = ReadSettings(Options(), "hide_and_seek_quadrant");
  ASSERT_TRUE(settings.ok());
  const auto episode = Begin(*settings, {.hiders = {{1, 1}, {2, 1}},
                                         .seekers = {{3, 1}, {4, 1}},
                                         .boxes = {Cube(4, 4), Cube(2, 4)},
                                         .ramps = {Cube(1, 4)}});
  const Observation observation(*settings, *episode, 0);
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(observation.ShapeOf("observation_self"), Shape{10});
  EXPECT_EQ(observation.ShapeOf("agent_qpos_qvel"), (Shape{3, 10}));
  EXPECT_EQ(observation.ShapeOf("box_obs"), (Shape{2, 12}));
  EXPECT_EQ(observation.ShapeOf("ramp_obs"), (Shape{1, 9}));
  EXPECT_EQ(observation.ShapeOf("lidar"), (Shape{30, 1}));
  EXPECT_EQ(observation.ShapeOf("mask_aa_obs"), Shape{3});
  EXPECT_EQ(observation.ShapeOf("mask_ab_obs_spoof"), Shape{2});
  EXPECT_EQ(observation.ShapeOf("mask_ar_obs"), Shape{1});
  EXPECT_FALSE(observation.Has("food_obs"));
}

TEST(Observation, ListsOthersInACircleAndPadsThem) {
  const auto settings = ReadSettings(Options(), "hide_and_seek_full");
  ASSERT_TRUE(settings.ok());
  const auto episode = Begin(*settings, {.hiders = {{1, 1}, {2, 1}},
                                         .seekers = {{3, 4}},
                                         .boxes = {{.size = {1.65, 0.15, 0.5}, .x = 4, .y = 5}},
                                         .ramps = {Cube(3, 2), Cube(0.5, 5)}});
  const Observation of_seeker(*settings, *episode, 2), of_hider(*settings, *episode, 0);
  const auto x = [](const Observation& observation, size_t row) {
    return observation.Row("agent_qpos_qvel", row)[0];
  };
  // i - 1, i - 2, ...
  EXPECT_EQ(x(of_seeker, 0), 2);
  EXPECT_EQ(x(of_seeker, 1), 1);
  EXPECT_EQ(x(of_hider, 0), 3);
  EXPECT_EQ(x(of_hider, 1), 2);
  EXPECT_EQ(of_hider.Row("agent_qpos_qvel", 2), std::vector<float>(10));
  EXPECT_EQ(of_hider.Mask("mask_aa_obs_spoof"), (std::vector<int>{1, 1, 0, 0, 0}));
  EXPECT_EQ(of_hider.Mask("mask_aa_obs"), (std::vector<int>{0, 0, 0, 0, 0}));
  EXPECT_EQ(of_seeker.Mask("mask_ar_obs"), (std::vector<int>{1, 0}));
  EXPECT_EQ(of_seeker.Mask("mask_ar_obs_spoof"), (std::vector<int>{1, 1}));
  EXPECT_EQ(of_hider.Row("observation_self"), (std::vector<float>{1, 1, 0, 0, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(of_seeker.Row("observation_self")[8], 0);
  EXPECT_EQ(of_hider.Row("box_obs"),
            (std::vector<float>{4, 5, 0, 1, 0, 0, 0, 0, 0, 1.65F, 0.15F, 0.5F, 0, 0, 0}));
  EXPECT_EQ(of_hider.Row("box_obs", 1), std::vector<float>(15));
  EXPECT_EQ(of_hider.Row("ramp_obs"),
            (std::vector<float>{3, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(Observation, SaysWhoseALockIs) {
  Settings settings = WithoutPreparation();
  settings.hiders = settings.seekers = {2, 2};
  Places places = kBoxInFront;
  places.hiders.push_back({1, 1});
  const auto episode = Begin(settings, places);
  Action lock;
  lock.glue = true;
  Step(*episode, {lock});
  const auto locks = [&](int agent) {
    const auto row = Observation(settings, *episode, agent).Row("box_obs");
    return std::vector<float>(row.end() - 3, row.end());
  };
  EXPECT_EQ(locks(0), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(locks(1), (std::vector<float>{0, 1, 1}));
  EXPECT_EQ(locks(2), (std::vector<float>{0, 0, 1}));
}

TEST(Observation, LidarTurnsWithTheWorldNotWithTheAgent) {
  const Settings settings;
  const auto episode = Begin(settings, {.hiders = {{3, 3}}, .boxes = {Cube(4.15, 2.9)}});
  const Observation observation(settings, *episode, 0);
  const auto lidar = observation.Find("lidar").As<float>();
  EXPECT_NEAR(lidar[0], 1, 1e-5);  // from 3.15 to 4.15
  EXPECT_EQ(lidar[15], 6);         // nothing there
}

}  // namespace
}  // namespace millrace::hide_and_seek
