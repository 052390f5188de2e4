#include "env/watched_environment.h"

#include <gmock/gmock.h>

#include "env/agent_slots.h"
#include "env/builtin_environments.h"
#include "env/rows_buffer.h"
#include "millrace/env/vector_environment.h"

namespace millrace {
namespace {

using testing::ElementsAre;

// Notes the ball's row of Catch at every moment, or that an episode begins.
class Notes final : public EnvironmentWatcher {
 public:
  static constexpr int kBegin = -1;
  void AfterReset(Environment&) override { seen.push_back(kBegin); }
  void AfterStep(Environment& environment, std::span<const AgentSlot>) override {
    seen.push_back(static_cast<int>(environment.Extra().at("step")[0]));
  }
  std::vector<int> seen;
};

Options Rows(const std::string& rows) {
  Options options;
  options.Set("rows", {.items = {rows}, .is_list = false, .where = "run.yaml:7"});
  return options;
}

TEST(WatchedEnvironment, ShowsAlsoTheEndOfAnEpisodeToWhoLooksOn) {
  Notes notes;
  auto group = MakeEnvironmentBatch(
                   [&](const Options& options) -> absl::StatusOr<std::unique_ptr<Environment>> {
                     return Watched(MakeCatch(options).value(), notes);
                   },
                   Rows("3"), 1)
                   .value();
  RowsBuffer rows(group->spec(), {0}, 1);
  ASSERT_TRUE(group->Reset(1, 0, {0}, rows.rows()).ok());
  for (int step = 0; step < 3; ++step) ASSERT_TRUE(group->Step(rows.rows()).ok());
  EXPECT_THAT(notes.seen, ElementsAre(Notes::kBegin, 1, 2, Notes::kBegin, 1));
}

TEST(WatchedEnvironment, IsTheSameEnvironment) {
  Notes notes;
  const auto plain = MakeCartPole({}).value(), watched = Watched(MakeCartPole({}).value(), notes);
  AgentSlots slots(plain->spec()), watched_slots(watched->spec());
  slots.PrepareReset();
  watched_slots.PrepareReset();
  ASSERT_TRUE(plain->Reset(5, slots.slots()).ok());
  ASSERT_TRUE(watched->Reset(5, watched_slots.slots()).ok());
  EXPECT_EQ(*plain->PhysicalState(), *watched->PhysicalState());
  EXPECT_EQ(plain->Extra(), watched->Extra());
  EXPECT_EQ(plain->Draw()->shapes, watched->Draw()->shapes);
  const auto saved = watched->SaveState();
  ASSERT_TRUE(saved.ok());
  EXPECT_EQ(*plain->SaveState(), *saved);
  EXPECT_TRUE(watched->RestoreState(*saved, watched_slots.slots()).ok());
  EXPECT_TRUE(watched->ResetTo(std::vector<double>(4), {}, watched_slots.slots()).ok());
  EXPECT_FALSE(watched->ResetTo(std::vector<double>(3), {}, watched_slots.slots()).ok());
  EXPECT_THAT(notes.seen, ElementsAre(Notes::kBegin, Notes::kBegin, Notes::kBegin));
}

}  // namespace
}  // namespace millrace
