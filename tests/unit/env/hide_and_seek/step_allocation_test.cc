// A step of hide and seek or of a transfer task takes no memory from the heap.
#include <gtest/gtest.h>

#include "env/agent_slots.h"
#include "env/hide_and_seek/hide_and_seek.h"
#include "env/random_action.h"
#include "given_options.h"
#include "testing/allocations.h"

namespace millrace {
namespace {

using hide_and_seek::OptionsOf;

struct Game {
  const char* name;
  absl::StatusOr<std::unique_ptr<Environment>> (*make)(const Options&);
};

class HideAndSeekStep : public testing::TestWithParam<Game> {};

TEST_P(HideAndSeekStep, TakesNothingFromTheHeap) {
  const auto environment =
      GetParam().make(OptionsOf({{"show_doors", {"true"}}, {"egocentric", {"true"}}})).value();
  AgentSlots agents(environment->spec());
  Rng rng(1, 0);
  agents.PrepareReset();
  ASSERT_TRUE(environment->Reset(1, agents.slots()).ok());
  uint64_t taken = 0;
  int steps = 0;
  for (; !agents.ended(); ++steps) {
    for (size_t agent = 0; agent < agents.slots().size(); ++agent) {
      SampleRandomAction(environment->spec().agents[agent].action, agents.mask(agent), rng,
                         agents.discrete(agent), agents.continuous(agent));
    }
    agents.PrepareStep();
    const uint64_t before = allocations;
    ASSERT_TRUE(environment->Step(agents.slots()).ok());
    const bool last = agents.slots()[0].truncated || agents.slots()[0].terminated;
    if (steps > 0 && !last) taken += allocations - before;  // the first and the last may
    agents.FinishStep();
  }
  EXPECT_GT(steps, 10);
  EXPECT_EQ(taken, 0u);
}

INSTANTIATE_TEST_SUITE_P(Games, HideAndSeekStep,
                         testing::Values(Game{"quadrant", MakeHideAndSeekQuadrant},
                                         Game{"full", MakeHideAndSeekFull},
                                         Game{"large", MakeHideAndSeekLarge},
                                         Game{"lock_and_return", MakeHideAndSeekLockAndReturn},
                                         Game{"sequential_lock", MakeHideAndSeekSequentialLock},
                                         Game{"blueprint", MakeHideAndSeekBlueprint},
                                         Game{"shelter", MakeHideAndSeekShelter},
                                         Game{"counting", MakeHideAndSeekCounting}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace millrace
