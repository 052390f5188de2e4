#include "workers/actor/actor_worker.h"

#include <algorithm>

#include "checkpoint/checkpoint_store.h"
#include "millrace/core/status.h"
#include "net/in_memory_name_service.h"
#include "workers/actor/environment_group.h"
#include "workers/common/actor_snapshots.h"
#include "workers/common/drain.h"
#include "workers/common/sample_fields.h"

namespace millrace {
namespace {

constexpr auto kMaintenance = std::chrono::milliseconds(100);
constexpr double kDrainShare = 0.6;

// The actor's parts and who owns whom: streams before groups, because groups hold views into them.
class Actor {
 public:
  Actor(WorkerProcess& process, const Registry& registry)
      : process_(process), registry_(registry) {}

  absl::Status SetUp(const InferenceModelFactory& make_model);
  absl::Status Run();

 private:
  absl::Status MakeStreams(const InferenceModelFactory& make_model);
  absl::Status MakeGroups();
  absl::StatusOr<std::vector<const SampleField*>> ExtraFields(const PolicyContract& contract,
                                                              const PolicyAgents& agents) const;
  absl::StatusOr<bool> AdvanceAll();
  absl::Status Drain();
  int environments_per_group() const { return process_.config().segment_environments(); }

  WorkerProcess& process_;
  const Registry& registry_;
  Ledger* ledger_ = nullptr;
  AgentAssignment assignment_;
  InMemoryNameService inline_names_;
  std::unique_ptr<PolicyService> inline_service_;
  std::vector<PolicyStreams> policies_;
  std::vector<std::unique_ptr<EnvironmentGroup>> groups_;
};

absl::Status Actor::SetUp(const InferenceModelFactory& make_model) {
  const ExperimentConfig& config = process_.config();
  MILLRACE_ASSIGN_OR_RETURN(ledger_, process_.CreateLedger());
  MILLRACE_ASSIGN_OR_RETURN(assignment_, AssignAgents(registry_, config));
  MILLRACE_RETURN_IF_ERROR(MakeStreams(make_model));
  return MakeGroups();
}

// Enough for one actor to fill every batch that credits allow by itself, if the others are down: a
// credit in hand without a slot would be waited for for ever. Slots that are never used cost no
// memory.
int SlotsPerProducer(const ExperimentConfig& config) {
  const int environments = config.segment_environments();
  const int64_t per_batch =
      config.trainer.batch_env_steps / (static_cast<int64_t>(config.trainer.unroll) * environments);
  return static_cast<int>(2 * config.actor.groups + per_batch * config.batches_under_way());
}

absl::StatusOr<std::vector<const SampleField*>> Actor::ExtraFields(
    const PolicyContract& contract, const PolicyAgents& agents) const {
  std::vector<const SampleField*> extra;
  for (const Field& field : contract.sample.fields()) {
    if (IsStandardSampleField(field, agents)) continue;
    const SampleField* found = registry_.FindSampleField(field.name);
    if (found == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("algorithm \"{}\" asks for the sample field \"{}\", which no plug-in of the "
                      "actors registers "
                      "(Registry::AddSampleField)",
                      process_.config().algorithm.type, field.name));
    }
    if (found->field != field) {
      return absl::InvalidArgumentError(fmt::format(
          "sample field \"{}\": the trainer's and the actors' plug-ins disagree about its "
          "dtype or shape",
          field.name));
    }
    extra.push_back(found);
  }
  return extra;
}

absl::Status Actor::MakeStreams(const InferenceModelFactory& make_model) {
  const ExperimentConfig& config = process_.config();
  const bool inline_inference = config.actor.inference == InferenceMode::kInline;
  std::vector<PolicyContract> contracts;
  int64_t state_size_sum = 0;
  for (const PolicyAgents& policy : assignment_.policies) {
    MILLRACE_ASSIGN_OR_RETURN(contracts.emplace_back(), process_.AwaitContract(policy.policy));
    state_size_sum += contracts.back().state_size;
  }
  MILLRACE_ASSIGN_OR_RETURN(const uint32_t snapshot_capacity,
                            SnapshotCapacity(registry_, config, assignment_, state_size_sum));
  const StreamContext context = process_.stream_context();
  StreamContext inference_context = context;
  if (inline_inference) inference_context.names = &inline_names_;
  Transport inference = ChooseTransport(config.inference_stream.transport, Transport::kShm);
  if (inline_inference) inference = Transport::kInproc;

  for (size_t p = 0; p < assignment_.policies.size(); ++p) {
    const PolicyAgents& agents = assignment_.policies[p];
    PolicyStreams streams;
    streams.policy = agents.policy;
    streams.policy_index = static_cast<uint32_t>(p);
    streams.agents = agents;
    streams.contract = contracts[p];
    streams.rows = environments_per_group() * agents.agents;
    streams.league = config.policies[p].league;
    MILLRACE_ASSIGN_OR_RETURN(streams.extra_fields, ExtraFields(contracts[p], agents));
    const InferenceSpec inference_spec{.policy = agents.policy,
                                       .observation = agents.observation,
                                       .action = agents.action,
                                       .rows = streams.rows,
                                       .state_size = static_cast<int32_t>(contracts[p].state_size)};
    InferenceClientOptions client;
    client.groups = config.actor.groups;
    MILLRACE_ASSIGN_OR_RETURN(streams.inference, MakeInferenceClient(inference, inference_context,
                                                                     inference_spec, client));
    const SampleStreamSpec sample_spec{
        .policy = agents.policy,
        .schema = contracts[p].sample,
        .extents = contracts[p].extents(streams.rows),
        .environments = environments_per_group(),
        .snapshot_capacity = p == 0 ? snapshot_capacity : 0,
        .checksum = config.sample_stream.checksum,
        .observations = ObservationCodecOptions::From(config.sample_stream)};
    MILLRACE_ASSIGN_OR_RETURN(
        streams.samples,
        MakeSampleProducer(ChooseTransport(config.sample_stream.transport, Transport::kShm),
                           context, sample_spec, SlotsPerProducer(config)));
    policies_.push_back(std::move(streams));
  }
  if (!inline_inference) return absl::OkStatus();

  PolicyServiceOptions options = PolicyServiceOptions::From(config, process_.paths());
  options.inference = Transport::kInproc;
  options.max_delay = {};  // no other actor's requests come
  StreamContext service_context = inference_context;
  service_context.index = 0;
  MILLRACE_ASSIGN_OR_RETURN(
      inline_service_, PolicyService::Create(options, context, service_context, config,
                                             assignment_.policies, contracts, make_model, ledger_));
  return absl::OkStatus();
}

absl::Status Actor::MakeGroups() {
  const ExperimentConfig& config = process_.config();
  const WorkerArguments& arguments = process_.arguments();
  ActorSnapshots snapshots;
  if (config.deterministic) {
    MILLRACE_ASSIGN_OR_RETURN(const auto store,
                              CheckpointStore::Open(process_.paths().checkpoints()));
    if (const auto checkpoint = store.ReadNewest(); checkpoint.ok()) {
      MILLRACE_ASSIGN_OR_RETURN(snapshots, ReadActorSnapshots(*checkpoint));
    }
  }
  for (int g = 0; g < config.actor.groups; ++g) {
    MILLRACE_ASSIGN_OR_RETURN(
        auto environment,
        registry_.MakeVectorEnvironment(config.environment.type, config.environment.options,
                                        environments_per_group(), config.environment.where));
    if (g == 0) {
      MILLRACE_RETURN_IF_ERROR(
          ledger_->NameStatistics(StatisticNames(environment->spec(), config)));
    }
    GroupOptions options;
    options.index = g;
    options.environments = environments_per_group();
    options.first_slot =
        static_cast<uint64_t>(arguments.index) * static_cast<uint64_t>(config.actor.environments) +
        static_cast<uint64_t>(g) * static_cast<uint64_t>(environments_per_group());
    options.seed = config.seed;
    options.deterministic = config.deterministic;
    options.groups = config.actor.groups;
    if (!config.deterministic) {
      // A restarted actor must not play the same episodes again.
      options.seed += static_cast<uint64_t>(arguments.incarnation) << 32;
      options.first_draw = static_cast<uint64_t>(arguments.incarnation) << 40;
    }
    groups_.push_back(std::make_unique<EnvironmentGroup>(
        options, std::move(environment), assignment_.agent_policies, &policies_, ledger_));
    MILLRACE_RETURN_IF_ERROR(
        groups_.back()->Start(snapshots[{arguments.index, static_cast<uint32_t>(g)}]));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Actor::AdvanceAll() {
  const ActivityScope streams(Activity::kStreams);
  bool any = false;
  size_t parked = static_cast<size_t>(std::count_if(
      groups_.begin(), groups_.end(), [](const auto& group) { return group->parked(); }));
  for (auto& group : groups_) {
    const bool was_parked = group->parked();
    MILLRACE_ASSIGN_OR_RETURN(const bool advanced, group->Advance(parked > (was_parked ? 1u : 0u)));
    any = any || advanced;
    if (was_parked && !group->parked()) --parked;
    if (!was_parked && group->parked()) ++parked;
  }
  if (inline_service_ != nullptr) {
    MILLRACE_ASSIGN_OR_RETURN(const int answered, inline_service_->Poll());
    any = any || answered > 0;
  }
  return any;
}

absl::Status Actor::Run() {
  MILLRACE_RETURN_IF_ERROR(process_.control().ReportReady());
  EnterActivity(Activity::kOther);
  Deadline next_maintenance = After(kMaintenance);
  while (process_.Running()) {
    const uint32_t seen = process_.bell().Value();
    if (process_.command() != WorkerCommand::kPause) {
      MILLRACE_ASSIGN_OR_RETURN(const bool advanced, AdvanceAll());
      if (advanced && !Expired(next_maintenance)) continue;
    }
    if (Expired(next_maintenance)) {
      for (PolicyStreams& streams : policies_) {
        MILLRACE_RETURN_IF_ERROR(streams.inference->Maintain());
      }
      next_maintenance = After(kMaintenance);
    }
    const bool all_parked = std::all_of(groups_.begin(), groups_.end(),
                                        [](const auto& group) { return group->parked(); });
    const ActivityScope waiting(all_parked ? Activity::kWaitCredit : Activity::kWaitActions);
    if (all_parked) {
      process_.bell().Wait(seen,
                           next_maintenance);  // a batch is trained meanwhile: no use spinning
    } else {
      process_.AwaitBell(seen, next_maintenance);
    }
  }
  return Drain();
}

// Segments that are under way are given up unproduced.
absl::Status Actor::Drain() {
  for (auto& group : groups_) group->Abandon();
  AwaitAcknowledged(process_, kDrainShare, [this] {
    int count = 0;
    for (const PolicyStreams& streams : policies_) count += streams.samples->unacknowledged();
    return count;
  });
  return absl::OkStatus();
}

}  // namespace

absl::Status RunActorWorker(WorkerProcess& process, const Registry& registry,
                            const InferenceModelFactory& make_model) {
  Actor actor(process, registry);
  MILLRACE_RETURN_IF_ERROR(actor.SetUp(make_model));
  return actor.Run();
}

}  // namespace millrace
