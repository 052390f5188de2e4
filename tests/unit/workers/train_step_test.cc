#include "workers/trainer/train_step.h"

#include "../backends/two_ranks.h"
#include "made_up_batch.h"

namespace millrace {
namespace {

using Evaluation = DenseBackend::Evaluation;
constexpr int64_t kSteps = 8, kRows = 6, kChunk = 4;

struct Learner {
  Learner(const std::string& type, int sample_reuse,
          const std::vector<std::pair<std::string, std::string>>& settings,
          Evaluation evaluation = Evaluation::kAuto)
      : spec(TestSpec(type)),
        ppo(TestPpo(spec, settings)),
        backend(TestBackend(spec, evaluation)),
        step(ppo.get(), backend.get(), /*seed=*/1, sample_reuse) {}

  TrainReport Train(const TensorDict& samples, uint64_t number) {
    SampleBatch batch = AsBatch(samples, number);
    const auto report = step.Run(batch, 0, *group);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : TrainReport{};
  }
  TrainReport Train(uint64_t number) {
    return Train(MadeUpSamples(spec, kSteps, kRows, kChunk, number), number);
  }
  double Count(const std::string& normalizer) const {
    return backend->OptimizerState().at("normalizer." + normalizer)[0].item<double>();
  }

  const ModelSpec spec;
  const std::unique_ptr<Algorithm> ppo;
  const std::unique_ptr<DenseBackend> backend;
  const std::unique_ptr<Collectives> group = MakeSingleRankCollectives();
  TrainStep step;
};

class SampleReuse : public testing::TestWithParam<std::pair<std::string, Evaluation>> {
 protected:
  // 48 agent steps a batch, in minibatches of 24.
  static Learner Make(int sample_reuse) {
    return Learner(GetParam().first, sample_reuse,
                   {{"epochs", "1"}, {"minibatch", "24"}, {"chunk", "4"}}, GetParam().second);
  }
};

TEST_P(SampleReuse, AStepTrainsTheNewestBatchesTogether) {
  Learner learner = Make(3);
  const std::vector<int64_t> batches = {1, 2, 3, 3, 3};
  for (uint64_t number = 0; number < batches.size(); ++number) {
    EXPECT_EQ(learner.Train(number).optimizer_steps, 2 * batches[number]);
    EXPECT_EQ(learner.step.batches(), static_cast<size_t>(batches[number]));
  }
  learner.step.Forget();
  EXPECT_EQ(learner.Train(5).optimizer_steps, 2);
}

TEST_P(SampleReuse, NormalisersCountASampleOnce) {
  Learner once = Make(1), often = Make(4);
  for (uint64_t number = 0; number < 5; ++number) {
    once.Train(number);
    often.Train(number);
  }
  EXPECT_EQ(often.Count("observation"), 5 * kSteps * kRows);
  EXPECT_EQ(often.Count("value"), 5 * kSteps * kRows);
  // What was observed does not depend on the weights.
  EXPECT_TRUE(torch::equal(often.backend->OptimizerState().at("normalizer.observation"),
                           once.backend->OptimizerState().at("normalizer.observation")));
}

TEST_P(SampleReuse, ValuesAreThePresentOnesAtEveryUse) {
  const auto weights = [](int sample_reuse, float behaviour_value) {
    Learner learner = Make(sample_reuse);
    for (uint64_t number = 0; number < 3; ++number) {
      TensorDict samples = MadeUpSamples(learner.spec, kSteps, kRows, kChunk, number);
      samples["value"].fill_(behaviour_value);
      learner.Train(samples, number);
    }
    return WeightsOf(*learner.backend);
  };
  EXPECT_NE(weights(1, 0), weights(1, 3));
  EXPECT_EQ(weights(2, 0), weights(2, 3));
}

TEST_P(SampleReuse, WithoutItABatchIsLeftAsItIs) {
  Learner learner = Make(1);
  SampleBatch batch = AsBatch(MadeUpSamples(learner.spec, kSteps, kRows, kChunk, 1), 1);
  ASSERT_TRUE(learner.step.Run(batch, 0, *learner.group).ok());
  EXPECT_EQ(batch.columns(), kRows);
  EXPECT_EQ(learner.step.batches(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Backends, SampleReuse,
                         testing::Values(std::pair{"mlp", Evaluation::kNative},
                                         std::pair{"mlp", Evaluation::kAuto},
                                         std::pair{"lstm", Evaluation::kNative},
                                         std::pair{"lstm", Evaluation::kAuto}),
                         [](const auto& test) {
                           const bool native = test.param.second == Evaluation::kNative;
                           return test.param.first + (native ? "Native" : "LibTorch");
                         });

TEST(TrainStep, AnUnrollShorterThanAChunkIsOneChunk) {
  Learner learner("lstm", 1, {{"epochs", "1"}, {"minibatch", "0"}, {"chunk", "16"}});
  EXPECT_EQ(learner.Train(MadeUpSamples(learner.spec, kSteps, kRows, kSteps, 1), 1).optimizer_steps,
            1);
}

// One rank's policy has moved away from the one that acted, the other's has not.
TEST(TrainStep, RanksStopTogetherAtTheKlLimitInTheOnlyEpochToo) {
  std::array<int64_t, 2> steps = {};
  WithTwoRanks([&](const std::unique_ptr<Collectives>& group) {
    Learner learner("mlp", 1, {{"epochs", "1"}, {"minibatch", "24"}, {"target_kl", "0.01"}});
    TensorDict samples = MadeUpSamples(learner.spec, kSteps, kRows, kChunk, 1);
    samples["log_prob"].fill_(group->rank() == 0 ? -5.0F : std::log(0.5F));
    SampleBatch batch = AsBatch(samples, 1);
    const auto report = learner.step.Run(batch, 0, *group);
    ASSERT_TRUE(report.ok()) << report.status();
    steps[static_cast<size_t>(group->rank())] = report->optimizer_steps;
  });
  EXPECT_EQ(steps, (std::array<int64_t, 2>{1, 1}));
}

}  // namespace
}  // namespace millrace
