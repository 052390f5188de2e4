// A step of an actor (environments, request, inference, reply, record) takes no memory from the
// heap.
#include <gtest/gtest.h>

#include "config/experiment.h"
#include "env/builtin_environments.h"
#include "testing/allocations.h"
#include "testing/stream_world.h"
#include "workers/actor/environment_group.h"
#include "workers/common/sample_fields.h"
#include "workers/policy/policy_service.h"

namespace millrace {
namespace {

constexpr int kEnvironments = 8;
constexpr int kUnroll = 32;

// One group, its policy service and a consumer that grants what is wanted, on one thread.
class Actor {
 public:
  Actor(std::unique_ptr<VectorEnvironment> environments, const std::string& model) {
    auto experiment = ParseExperiment("environment: {type: cartpole}\nalgorithm: {type: ppo}\n" +
                                          ("policies: {default: {model: " + model + "}}\n"),
                                      "a.yaml");
    MILLRACE_CHECK(experiment.ok(), std::string(experiment.status().message()));
    config_ = *std::move(experiment);
    const AgentAssignment assignment = AssignAgents(environments->spec(), config_).value();
    const PolicyAgents& agents = assignment.policies[0];
    const auto model_made = MakeNativeInferenceModel(config_.policies[0], agents).value();

    PolicyContract contract;
    contract.state_size = model_made->state_size();
    contract.unroll = kUnroll;
    contract.chunk = contract.state_size > 0 ? kUnroll : 0;
    contract.weight_bytes = model_made->weight_bytes();
    contract.layout_hash = model_made->layout_hash();
    contract.sample = Schema::Create(StandardSampleFields(agents, contract.state_size)).value();
    MakeStreams(agents, contract, assignment);
    group_ = std::make_unique<EnvironmentGroup>(
        GroupOptions{.environments = kEnvironments, .seed = 1}, std::move(environments),
        assignment.agent_policies, &policies_, ledger_.get());
    MILLRACE_CHECK(group_->Start("").ok(), "the group does not start");
  }

  // Steps until `count` segments have been consumed.
  void RunSegments(int count) {
    for (int done = 0; done < count;) {
      Turn();
      done += TakeSegments();
    }
  }

  // Steps that neither begin nor end a segment; the heap blocks this thread took for them.
  uint64_t AllocationsOfSteps(int steps) {
    const uint64_t first = ledger_->Get(Counter::kEnvSteps);
    for (int warm = 0; warm < 4; ++warm) Turn();
    const uint64_t before = allocations;
    while (ledger_->Get(Counter::kEnvSteps) <
           first + static_cast<uint64_t>(steps) * kEnvironments) {
      Turn();
    }
    return allocations - before;
  }

 private:
  void MakeStreams(const PolicyAgents& agents, const PolicyContract& contract,
                   const AgentAssignment& assignment) {
    const StreamContext context = world_.Worker(0), trainer = world_.Worker(0);
    ledger_ =
        Ledger::Create(world_.directory(), {.role = "actor", .policy = {}, .process = {}}).value();
    const WeightSpec weights{agents.policy, contract.layout_hash, contract.weight_bytes};
    weight_server_ = MakeWeightServer(Transport::kInproc, trainer, {weights}).value();
    publisher_ = MakeWeightPublisher(Transport::kInproc, trainer, weights).value();
    MILLRACE_CHECK(publisher_->Publish({1, 0}, std::vector<std::byte>(contract.weight_bytes)).ok(),
                   "no weights");
    const InferenceSpec inference{.policy = agents.policy,
                                  .observation = agents.observation,
                                  .action = agents.action,
                                  .rows = kEnvironments,
                                  .state_size = static_cast<int32_t>(contract.state_size)};
    const SampleStreamSpec samples{.policy = agents.policy,
                                   .schema = contract.sample,
                                   .extents = contract.extents(kEnvironments),
                                   .environments = kEnvironments};
    PolicyStreams streams;
    streams.policy = agents.policy;
    streams.agents = agents;
    streams.contract = contract;
    streams.rows = kEnvironments;
    streams.inference = MakeInferenceClient(Transport::kInproc, context, inference, {}).value();
    streams.samples = MakeSampleProducer(Transport::kInproc, context, samples, 4).value();
    policies_.push_back(std::move(streams));
    consumer_ = MakeSampleConsumer(Transport::kInproc, trainer, samples).value();
    PolicyServiceOptions options;
    options.inference = Transport::kInproc;
    options.weight = Transport::kInproc;
    options.rows_per_agent = kEnvironments;
    options.max_batch = kEnvironments;
    service_ = PolicyService::Create(options, context, context, config_, assignment.policies,
                                     {contract}, MakeNativeInferenceModel, ledger_.get())
                   .value();
  }

  void Turn() {
    for (const ProducerStatus& producer : consumer_status_) {
      for (uint64_t granted = producer.granted; granted < producer.wanted; ++granted) {
        consumer_->Grant(producer.producer, producer.incarnation, {.epoch = 1});
      }
    }
    consumer_status_.clear();
    MILLRACE_CHECK(group_->Advance(false).ok(), "Advance");
    MILLRACE_CHECK(service_->Poll().ok(), "Poll");
  }

  int TakeSegments() {
    consumer_status_ = consumer_->Producers();
    int taken = 0;
    while (const auto segment = consumer_->Receive()) {
      consumer_->Dispose(*segment);
      ++taken;
    }
    return taken;
  }

  ExperimentConfig config_;
  StreamWorld world_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<WeightServer> weight_server_;
  std::unique_ptr<WeightPublisher> publisher_;
  std::vector<PolicyStreams> policies_;
  std::unique_ptr<SampleConsumer> consumer_;
  std::vector<ProducerStatus> consumer_status_;
  std::unique_ptr<PolicyService> service_;
  std::unique_ptr<EnvironmentGroup> group_;
};

TEST(StepAllocation, TheCounterCounts) {
  const uint64_t before = allocations;
  auto memory = std::make_unique<std::vector<int>>(100);
  EXPECT_EQ(allocations - before, 2u);
}

class StepAllocation : public testing::TestWithParam<const char*> {};

TEST_P(StepAllocation, AStepTakesNothingFromTheHeap) {
  Actor actor(MakeCartPoleBatch({}, kEnvironments).value(), GetParam());
  actor.RunSegments(2);
  EXPECT_EQ(actor.AllocationsOfSteps(kUnroll - 8), 0u);
}

INSTANTIATE_TEST_SUITE_P(Models, StepAllocation,
                         testing::Values("{type: mlp}", "{type: lstm, lstm_size: 16}"));

TEST(StepAllocationOfImages, AStepTakesNothingFromTheHeap) {
  Actor actor(MakeEnvironmentBatch(MakeCatch, {}, kEnvironments, "catch").value(),
              "{type: cnn, filters: [[16, 3, 1], [8, 2, 1]], hidden: [32], lstm_size: 16}");
  actor.RunSegments(2);
  EXPECT_EQ(actor.AllocationsOfSteps(kUnroll - 8), 0u);
}

}  // namespace
}  // namespace millrace
