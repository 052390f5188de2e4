#include "workers/trainer/reevaluation.h"

#include "made_up_batch.h"

namespace millrace {
namespace {

constexpr int64_t kChunk = 4, kSteps = 12;

// Statistics that are not the ones of the start.
void UpdateNormalizers(Backend& backend, const TensorDict& samples) {
  const auto group = MakeSingleRankCollectives();
  ASSERT_TRUE(backend
                  .UpdateNormalizers({{"observation/x", samples.at("observation/x") * 2 + 1}},
                                     torch::randn({100}) * 3 + 5, *group)
                  .ok());
}

class Reevaluation : public testing::TestWithParam<std::string> {};

// More rows than are computed at a time.
TEST_P(Reevaluation, GivesTheValuesThatThePresentWeightsHave) {
  const ModelSpec spec = TestSpec(GetParam());
  const auto backend = TestBackend(spec);
  TensorDict samples = MadeUpSamples(spec, kSteps, 1100, kChunk, /*seed=*/3);
  UpdateNormalizers(*backend, samples);
  const TensorDict before = samples;
  ASSERT_TRUE(Reevaluate(*backend, samples).ok());

  // The whole segments in one go.
  TensorDict whole = {{"observation/x", before.at("observation/x")}, {"first", before.at("first")}};
  if (spec.state_size() > 0) whole["state"] = before.at("state")[0];
  const auto heads = backend->Evaluate(whole);
  ASSERT_TRUE(heads.ok()) << heads.status();
  EXPECT_FALSE(heads->value.requires_grad());
  EXPECT_TRUE(
      torch::allclose(samples.at("value"), backend->DenormalizeValue(heads->value), 1e-4, 1e-5));
  EXPECT_FALSE(torch::allclose(samples.at("value"), heads->value)) << "they are in reward units";
  for (const char* same : {"log_prob", "reward", "observation/x", "truncation_value"}) {
    EXPECT_TRUE(torch::equal(samples.at(same), before.at(same))) << same;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Reevaluation, testing::Values("mlp", "lstm", "gru"),
                         [](const auto& test) { return test.param; });

TEST(ReevaluationOfStates, GivesThoseThatThePresentWeightsReach) {
  const ModelSpec spec = TestSpec("lstm");
  const auto backend = TestBackend(spec);
  TensorDict samples = MadeUpSamples(spec, kSteps, 5, kChunk, /*seed=*/4);
  const TensorDict before = samples;
  ASSERT_TRUE(Reevaluate(*backend, samples).ok());
  const torch::Tensor& states = samples.at("state");
  EXPECT_TRUE(torch::equal(states[0], before.at("state")[0])) << "only the actor knew it";
  for (int64_t chunk = 1; chunk < kSteps / kChunk; ++chunk) {
    const auto heads = backend->Evaluate(
        {{"observation/x", before.at("observation/x").narrow(0, 0, chunk * kChunk)},
         {"first", before.at("first").narrow(0, 0, chunk * kChunk)},
         {"state", before.at("state")[0]}});
    ASSERT_TRUE(heads.ok()) << heads.status();
    EXPECT_TRUE(torch::allclose(states[chunk], heads->state, 1e-4, 1e-5)) << chunk;
  }
  EXPECT_FALSE(torch::allclose(states[1], before.at("state")[1]));
}

}  // namespace
}  // namespace millrace
