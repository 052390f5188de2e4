// Episodes of transfer tasks in worlds laid by hand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "../given_options.h"
#include "../hand_made_world.h"
#include "env/hide_and_seek/episode.h"
#include "env/hide_and_seek/transfer/transfer_settings.h"

namespace millrace::hide_and_seek {

inline Settings ReadTask(Game game, const Given& given = {}) {
  const auto settings = ReadTransferSettings(OptionsOf(given), game, "a_task");
  EXPECT_TRUE(settings.ok()) << settings.status();
  return *settings;
}

inline std::unique_ptr<Episode> BeginTask(const Settings& settings, const World& world) {
  auto episode = Episode::Begin(settings, world, /*seed=*/1);
  EXPECT_TRUE(episode.ok()) << episode.status();
  return *std::move(episode);
}

// The reward of a step of the only agent.
inline float StepTask(Episode& episode, const Action& action = {}) {
  std::vector<float> rewards(1);
  EXPECT_TRUE(episode.Step(std::vector{action}, rewards));
  return rewards[0];
}

inline Action Locking() { return {.glue = true}; }
inline Action Moving(int32_t x, int32_t y) { return {.move = {x, y, kNeutralMove}}; }

// An episode to its end, always the same action; the statistics in the order of their names.
inline std::vector<double> PlayTask(Episode& episode, const Action& action) {
  const auto record = episode.rules().NewRecord(episode);
  do {
    record->Count(std::vector{StepTask(episode, action)});
  } while (!episode.over() && !episode.ended());
  const auto numbers = record->Finish(/*discarded=*/false);
  return {numbers.begin(), numbers.end()};
}

}  // namespace millrace::hide_and_seek
