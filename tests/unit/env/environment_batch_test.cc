#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "env/builtin_environments.h"
#include "env/rows_buffer.h"
#include "millrace/env/vector_environment.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

enum class Fault { kNone, kThrows, kNanReward, kNanObservation, kNobody, kFails, kNoStatistics };

AgentSpec CounterAgent(const std::string& name) {
  AgentSpec agent;
  agent.name = name;
  agent.observation.fields = {{"time", DType::kFloat32, {}, Extent::kRows},
                              {kActionMask, DType::kUInt8, {2}, Extent::kRows}};
  agent.action = ActionSpec::Discrete(2);
  return agent;
}

// Two agents that observe the time, as 10 x step + their number. "stays" ends after 4 steps; "goes"
// leaves without an end in step 2 and comes back in step 3.
class Scripted : public Environment {
 public:
  explicit Scripted(Fault fault) : fault_(fault) {
    spec_.agents = {CounterAgent("stays"), CounterAgent("goes")};
    spec_.statistics = {"steps", "nothing"};
  }
  const EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t, std::span<AgentSlot> agents) override {
    step_ = 0;
    for (size_t a = 0; a < 2; ++a) Observe(agents[a], a);
    agents[0].present = agents[1].present = fault_ != Fault::kNobody;
    return absl::OkStatus();
  }

  absl::Status Step(std::span<AgentSlot> agents) override {
    ++step_;
    if (step_ == 2) {
      if (fault_ == Fault::kThrows) throw std::runtime_error("out of cheese");
      if (fault_ == Fault::kFails) return absl::InternalError("the world broke");
      if (fault_ == Fault::kNanReward) agents[0].reward = std::nanf("");
    }
    for (size_t a = 0; a < 2; ++a) {
      if (agents[a].present) agents[a].reward += static_cast<float>(step_);
      if (agents[a].present || step_ == 3) Observe(agents[a], a);
    }
    if (step_ == 2 && fault_ == Fault::kNanObservation) {
      agents[1].observation[0].As<float>()[0] = std::numeric_limits<float>::infinity();
    }
    agents[1].present = step_ != 2;
    agents[0].terminated = step_ == 4;
    agents[1].truncated = step_ == 4;
    statistics_[0] = step_;
    return absl::OkStatus();
  }

  std::span<const double> EpisodeStatistics() const override {
    return std::span(statistics_).first(fault_ == Fault::kNoStatistics ? 1 : 2);
  }

 private:
  void Observe(AgentSlot& slot, size_t agent) const {
    slot.observation[0].As<float>()[0] = static_cast<float>(10 * step_ + static_cast<int>(agent));
    slot.observation[1].As<uint8_t>()[0] = 0;
    slot.observation[1].As<uint8_t>()[1] = 1;
  }

  EnvironmentSpec spec_;
  Fault fault_;
  int step_ = 0;
  std::array<double, 2> statistics_ = {0, std::nan("")};
};

std::unique_ptr<VectorEnvironment> MakeScripted(Fault fault, int count = 2) {
  const auto factory = [fault](const Options&) -> absl::StatusOr<std::unique_ptr<Environment>> {
    return std::make_unique<Scripted>(fault);
  };
  return MakeEnvironmentBatch(factory, {}, count, "scripted").value();
}

std::vector<float> TimesOf(std::span<const TensorView> fields) {
  const std::span<float> values = fields[0].As<float>();
  return {values.begin(), values.end()};
}

TEST(EnvironmentBatch, RowsAreEnvironmentTimesAgents) {
  auto batch = MakeScripted(Fault::kNone);
  RowsBuffer buffer(batch->spec(), {0, 0}, 2);
  ASSERT_TRUE(batch->Reset(1, 0, {0, 0}, buffer.rows()).ok());
  const PolicyRows& rows = buffer.rows()[0];
  EXPECT_THAT(TimesOf(rows.observation), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(rows.first, ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(rows.present, ElementsAre(1, 1, 1, 1));
  ASSERT_TRUE(batch->Step(buffer.rows()).ok());
  EXPECT_THAT(TimesOf(rows.observation), ElementsAre(10, 11, 10, 11));
  EXPECT_THAT(rows.first, ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(rows.reward, ElementsAre(1, 1, 1, 1));
}

TEST(EnvironmentBatch, AgentsOfDifferentPoliciesHaveRowsOfTheirOwn) {
  auto batch = MakeScripted(Fault::kNone);
  RowsBuffer buffer(batch->spec(), {1, 0}, 2);
  ASSERT_TRUE(batch->Reset(1, 0, {1, 0}, buffer.rows()).ok());
  EXPECT_THAT(TimesOf(buffer.rows()[0].observation), ElementsAre(1, 1));
  EXPECT_THAT(TimesOf(buffer.rows()[1].observation), ElementsAre(0, 0));
}

TEST(EnvironmentBatch, AnAgentThatLeavesIsTruncatedAndComesBackAsFirst) {
  auto batch = MakeScripted(Fault::kNone, 1);
  RowsBuffer buffer(batch->spec(), {0, 0}, 1);
  ASSERT_TRUE(batch->Reset(1, 0, {0, 0}, buffer.rows()).ok());
  const PolicyRows& rows = buffer.rows()[0];
  ASSERT_TRUE(batch->Step(buffer.rows()).ok());

  ASSERT_TRUE(batch->Step(buffer.rows()).ok());  // "goes" acts, is paid and leaves
  EXPECT_THAT(rows.reward, ElementsAre(2, 2));
  EXPECT_THAT(rows.terminated, ElementsAre(0, 0));
  EXPECT_THAT(rows.truncated, ElementsAre(0, 1));
  EXPECT_THAT(rows.present, ElementsAre(1, 0));
  EXPECT_EQ(TimesOf(rows.final_observation)[1], 21);
  EXPECT_THAT(TimesOf(rows.observation), ElementsAre(20, 0));
  EXPECT_THAT(rows.observation[1].As<uint8_t>(), ElementsAre(0, 1, 1, 1)) << "masks";

  ASSERT_TRUE(batch->Step(buffer.rows()).ok());  // it comes back
  EXPECT_THAT(rows.reward, ElementsAre(3, 0));
  EXPECT_THAT(rows.truncated, ElementsAre(0, 0));
  EXPECT_THAT(rows.present, ElementsAre(1, 1));
  EXPECT_THAT(rows.first, ElementsAre(0, 1));
  EXPECT_THAT(TimesOf(rows.observation), ElementsAre(30, 31));
}

TEST(EnvironmentBatch, TheEndShowsTheNextEpisodeAndKeepsTheLastObservation) {
  auto batch = MakeScripted(Fault::kNone, 1);
  RowsBuffer buffer(batch->spec(), {0, 0}, 1);
  ASSERT_TRUE(batch->Reset(1, 0, {0, 0}, buffer.rows()).ok());
  const PolicyRows& rows = buffer.rows()[0];
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(batch->Step(buffer.rows()).ok());
  EXPECT_THAT(rows.terminated, ElementsAre(1, 0));
  EXPECT_THAT(rows.truncated, ElementsAre(0, 1));
  EXPECT_THAT(TimesOf(rows.final_observation), ElementsAre(40, 41));
  EXPECT_THAT(TimesOf(rows.observation), ElementsAre(0, 1));
  EXPECT_THAT(rows.first, ElementsAre(1, 1));
  EXPECT_THAT(rows.present, ElementsAre(1, 1));
}

TEST(EnvironmentBatch, CountsWhatEpisodesSayWhenTheyEnd) {
  auto batch = MakeScripted(Fault::kNone);
  RowsBuffer buffer(batch->spec(), {0, 0}, 2);
  ASSERT_TRUE(batch->Reset(1, 0, {0, 0}, buffer.rows()).ok());
  std::array<StatisticSum, 2> sums{};
  for (int step = 0; step < 3; ++step) ASSERT_TRUE(batch->Step(buffer.rows()).ok());
  batch->TakeStatistics(sums);
  EXPECT_EQ(sums[0].count, 0u);
  ASSERT_TRUE(batch->Step(buffer.rows()).ok());
  for (int twice = 0; twice < 2; ++twice) batch->TakeStatistics(sums);  // taken once
  EXPECT_EQ(sums[0].sum, 8);  // both environments, after 4 steps each
  EXPECT_EQ(sums[0].count, 2u);
  EXPECT_EQ(sums[1].count, 0u);  // NaN says nothing
}

TEST(EnvironmentBatch, AsManyStatisticsAsTheSpecNames) {
  auto batch = MakeScripted(Fault::kNoStatistics);
  RowsBuffer buffer(batch->spec(), {0, 0}, 2);
  ASSERT_TRUE(batch->Reset(1, 0, {0, 0}, buffer.rows()).ok());
  absl::Status status;
  for (int step = 0; step < 4 && status.ok(); ++step) status = batch->Step(buffer.rows());
  EXPECT_THAT(status.message(), HasSubstr("EpisodeStatistics: expected 2 numbers, got 1"));
}

TEST(EnvironmentBatch, FinalObservationsMayBeLeftOut) {
  auto batch = MakeScripted(Fault::kNone, 1);
  RowsBuffer buffer(batch->spec(), {0, 0}, 1);
  PolicyRows rows = buffer.rows()[0];
  rows.final_observation = {};
  ASSERT_TRUE(batch->Reset(1, 0, {0, 0}, {&rows, 1}).ok());
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(batch->Step({&rows, 1}).ok());
}

// Where the second step, which has the fault, ends.
absl::Status StatusWith(Fault fault) {
  auto batch = MakeScripted(fault);
  RowsBuffer buffer(batch->spec(), {0, 0}, 2);
  absl::Status status = batch->Reset(1, 6, {0, 0}, buffer.rows());
  for (int i = 0; i < 2 && status.ok(); ++i) status = batch->Step(buffer.rows());
  return status;
}

TEST(EnvironmentBatch, ExceptionsAreInternalErrorsWithTheEnvironmentsName) {
  const absl::Status status = StatusWith(Fault::kThrows);
  EXPECT_TRUE(absl::IsInternal(status));
  EXPECT_EQ(std::string(status.message()),
            "environment scripted, number 6: Step threw an exception: out of cheese");
}

TEST(EnvironmentBatch, ErrorsAreHandedOnWithTheEnvironmentsName) {
  EXPECT_EQ(std::string(StatusWith(Fault::kFails).message()),
            "environment scripted, number 6: the world broke");
}

TEST(EnvironmentBatch, NumbersThatAreNotFiniteNameAgentAndField) {
  EXPECT_EQ(std::string(StatusWith(Fault::kNanReward).message()),
            "environment scripted, number 6, agent \"stays\": reward: expected a finite number, "
            "got nan");
  EXPECT_EQ(std::string(StatusWith(Fault::kNanObservation).message()),
            "environment scripted, number 6, agent \"goes\": observation field \"time\": expected "
            "finite numbers, got NaN or infinity");
}

TEST(EnvironmentBatch, AnEpisodeWithoutAgentsIsAnError) {
  EXPECT_THAT(std::string(StatusWith(Fault::kNobody).message()),
              HasSubstr("Reset: expected at least one agent present, got none"));
}

TEST(EnvironmentBatch, AFactoryThatThrowsIsAnInternalError) {
  const EnvironmentFactory factory =
      [](const Options&) -> absl::StatusOr<std::unique_ptr<Environment>> {
    throw std::runtime_error("no licence");
  };
  const auto made = MakeEnvironmentBatch(factory, {}, 1, "bad");
  EXPECT_TRUE(absl::IsInternal(made.status()));
  EXPECT_EQ(std::string(made.status().message()),
            "the factory of environment bad threw an exception: no licence");
}

TEST(EnvironmentBatch, RowsOfAnotherSizeAreRefused) {
  auto batch = MakeScripted(Fault::kNone, 2);
  RowsBuffer buffer(batch->spec(), {0, 0}, 3);
  const absl::Status status = batch->Reset(1, 0, {0, 0}, buffer.rows());
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST(EnvironmentBatch, SavingNeedsAnEnvironmentThatCanBeSaved) {
  auto batch = MakeScripted(Fault::kNone, 1);
  RowsBuffer buffer(batch->spec(), {0, 0}, 1);
  ASSERT_TRUE(batch->Reset(1, 0, {0, 0}, buffer.rows()).ok());
  EXPECT_TRUE(absl::IsUnimplemented(batch->SaveState().status()));
}

TEST(EpisodeSeed, DependsOnEveryPart) {
  EXPECT_EQ(EpisodeSeed(1, 2, 3), EpisodeSeed(1, 2, 3));
  EXPECT_NE(EpisodeSeed(1, 2, 3), EpisodeSeed(2, 2, 3));
  EXPECT_NE(EpisodeSeed(1, 2, 3), EpisodeSeed(1, 3, 3));
  EXPECT_NE(EpisodeSeed(1, 2, 3), EpisodeSeed(1, 2, 4));
}

}  // namespace
}  // namespace millrace
