#include "workers/trainer/trainer_worker.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "checkpoint/checkpoint_store.h"
#include "millrace/core/status.h"
#include "workers/league/league_store.h"
#include "workers/policy/inference_thread.h"
#include "workers/trainer/batch_snapshots.h"
#include "workers/trainer/credit_plan.h"
#include "workers/trainer/learner.h"
#include "workers/trainer/policy_checkpoints.h"
#include "workers/trainer/recovered_state.h"
#include "workers/trainer/sample_intake.h"
#include "workers/trainer/train_step.h"
#include "workers/trainer/trainer_checkpoint.h"
#include "workers/trainer/trainer_group.h"

namespace millrace {
namespace {

constexpr auto kWait = std::chrono::milliseconds(100);
constexpr auto kMetricsEvery = std::chrono::milliseconds(500);
constexpr double kDrainShare = 0.9;  // of supervision.drain_seconds
constexpr double kPartsShare = 0.3;
// A trainer that leaves as the run ends may be noticed before its end is.
constexpr auto kEndPatience = std::chrono::seconds(2);

// Temporaries of large tensor operations must not be mapped and unmapped each time: glibc's
// threshold makes attention over 4,096 rows three times slower (measured).
void KeepFreedMemory() {
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, INT32_MAX);
}

class Trainer {
 public:
  Trainer(WorkerProcess& process, const TorchRegistry& registry,
          const InferenceModelFactory& make_model)
      : process_(process),
        registry_(registry),
        make_model_(make_model),
        config_(process.config()) {}

  absl::Status SetUp();
  absl::Status Run();

 private:
  absl::Status SetUpLearner();
  absl::Status TakeCheckpoint();
  absl::Status TakeInitialWeights();
  absl::Status MakeStreamSpecs();
  absl::Status ReadHistory();
  absl::Status JoinGroup(std::optional<SampleBatch> in_hand);
  absl::Status AdoptFormation(const Formation& formation);
  absl::Status OpenStreams(const ConsumerState& state);
  absl::Status TrainUntilTold();
  absl::Status TrainOne(SampleBatch batch);
  bool AwaitRanks(uint64_t batch);  // false: the group has changed
  absl::StatusOr<TrainReport> Train(SampleBatch& batch);
  void Commit(SampleBatch batch, uint64_t next_version);
  absl::Status GatherIf(bool due, uint64_t batch);
  // Whether a checkpoint can be made now.
  bool HasWholeState() const { return !backend_->sharded() || gathered_ == batch_; }
  absl::Status LoseShards(const std::string& why);
  absl::Status PublishVersion(uint64_t version);
  absl::Status OpenCheckpoints();
  PolicyPart MakePart();
  void PutMetrics(const TrainReport& report);
  void SendMetrics();
  absl::Status Drain();
  GroupMember Record() const;
  // Where the ranks may meet, if the run uses shared memory.
  std::optional<std::filesystem::path> SharedMemory() const {
    if (!process_.arguments().shared_memory) return std::nullopt;
    return process_.paths().shm();
  }
  double Progress() const;
  // What a rank but the leader, whom checkpoints are about, has of a batch.
  std::optional<SegmentCount> ShareOfBatch() const {
    if (leader()) return std::nullopt;
    const auto segments =
        static_cast<uint64_t>(credit_plan_.segments_per_batch / credit_plan_.ranks);
    return SegmentCount{segments, segments * static_cast<uint64_t>(sample_spec_.env_steps_each())};
  }
  bool leader() const { return rank_ == 0; }
  // Actors put their state into segments.
  bool acts_deterministically() const { return config_.deterministic && !config_.reads_dataset(); }

  WorkerProcess& process_;
  const TorchRegistry& registry_;
  const InferenceModelFactory& make_model_;
  const ExperimentConfig& config_;
  int rank_ = 0;
  size_t policy_index_ = 0;
  PolicyAgents agents_;
  AgentAssignment assignment_;
  SampleStreamSpec sample_spec_;
  CreditPlan credit_plan_;
  PolicyContract contract_;

  std::unique_ptr<Algorithm> algorithm_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<TrainStep> step_;
  std::unique_ptr<TrainerGroup> group_;
  std::optional<CheckpointStore> store_;
  std::optional<Checkpoint> checkpoint_;  // the newest one, until a group has formed
  std::optional<PolicyPart> checkpoint_part_;
  std::optional<Ledger::ConsumerHistory> history_;  // of the previous incarnation

  Ledger* ledger_ = nullptr;  // the process's
  std::unique_ptr<SampleIntake> intake_;
  std::unique_ptr<InferenceThread> inference_;      // for actors with inference: trainer
  std::unique_ptr<WeightPublisher> publisher_;      // leader; null if nobody acts
  std::unique_ptr<LeagueWriter> league_;            // null without a league
  std::unique_ptr<PolicyCheckpoints> checkpoints_;  // leader
  std::vector<std::byte> blob_;                     // all weights
  std::vector<std::byte> published_;                // what actors load of them

  bool has_parameters_ = false;
  uint64_t epoch_ = 0;
  uint64_t batch_ = 0;                      // the next to be trained
  int64_t version_ = -1;                    // published newest
  std::optional<uint64_t> gathered_;        // sharded: the batch before which Gather() was called
  ActorSnapshots snapshots_;                // deterministic: of the newest batch
  decltype(TrainReport::metrics) metrics_;  // not sent yet
  Clock::time_point next_metrics_;
};

absl::Status Trainer::SetUp() {
  KeepFreedMemory();
  at::set_num_threads(config_.trainer.threads);
  const uint32_t index = process_.arguments().index;
  const auto ranks = static_cast<uint32_t>(config_.trainer.count);
  rank_ = static_cast<int>(index % ranks);
  policy_index_ = index / ranks;
  if (policy_index_ >= config_.policies.size()) {
    return absl::InvalidArgumentError(
        fmt::format("trainer {}: there are only {} policies", index, config_.policies.size()));
  }
  MILLRACE_ASSIGN_OR_RETURN(assignment_, AssignAgents(registry_, config_));
  agents_ = assignment_.policies[policy_index_];
  MILLRACE_RETURN_IF_ERROR(SetUpLearner());
  MILLRACE_RETURN_IF_ERROR(MakeStreamSpecs());
  MILLRACE_ASSIGN_OR_RETURN(store_, CheckpointStore::Open(process_.paths().checkpoints()));
  MILLRACE_RETURN_IF_ERROR(ReadHistory());
  MILLRACE_RETURN_IF_ERROR(checkpoint_part_.has_value() ? TakeCheckpoint() : TakeInitialWeights());
  group_ = std::make_unique<TrainerGroup>(&process_.control(), &process_.bell(), agents_.policy,
                                          rank_, config_.trainer.count, SharedMemory());
  return JoinGroup(std::nullopt);
}

absl::Status Trainer::SetUpLearner() {
  MILLRACE_ASSIGN_OR_RETURN(Learner learner,
                            MakeLearner(registry_, config_, policy_index_, agents_));
  algorithm_ = std::move(learner.algorithm);
  backend_ = std::move(learner.backend);
  MILLRACE_RETURN_IF_ERROR(backend_->Shard(rank_, config_.trainer.count));
  contract_ = std::move(learner.contract);
  step_ = std::make_unique<TrainStep>(algorithm_.get(), backend_.get(),
                                      config_.seed + policy_index_, config_.trainer.sample_reuse);
  blob_.resize(backend_->layout().bytes());
  published_.resize(backend_->published_bytes());
  if (!leader()) return absl::OkStatus();
  return process_.control().Put(ContractKey(agents_.policy), contract_.ToJson());
}

// Before a group forms, in which nobody may be silent for long; if others have newer parameters,
// those are taken then.
absl::Status Trainer::TakeCheckpoint() {
  MILLRACE_RETURN_IF_ERROR(backend_->LoadWeights(checkpoint_part_->weights));
  MILLRACE_RETURN_IF_ERROR(backend_->LoadOptimizerState(checkpoint_part_->optimizer));
  // They may be large.
  checkpoint_->files.clear();
  checkpoint_part_->weights.clear();
  checkpoint_part_->optimizer.clear();
  return absl::OkStatus();
}

// `init_from`: another run's weights, with the statistics of its normalisers; the optimiser begins
// anew, and so do the tensors that init_except names. Only where this run has no checkpoint yet.
absl::Status Trainer::TakeInitialWeights() {
  const PolicyConfig& policy = config_.policies[policy_index_];
  if (policy.init_from.empty()) return absl::OkStatus();
  const absl::Status taken = TakeInitialPart(policy, *backend_);
  return taken.ok() ? taken : WithContext(taken, fmt::format("policies.{}.init_from", policy.name));
}

absl::Status Trainer::MakeStreamSpecs() {
  const int environments = config_.segment_environments();
  int64_t state_size_sum = 0;
  for (const PolicyAgents& policy : assignment_.policies) {
    MILLRACE_ASSIGN_OR_RETURN(const PolicyContract contract, process_.AwaitContract(policy.policy));
    state_size_sum += contract.state_size;
  }
  MILLRACE_ASSIGN_OR_RETURN(const uint32_t snapshot_capacity,
                            SnapshotCapacity(registry_, config_, assignment_, state_size_sum));
  sample_spec_ = {.policy = agents_.policy,
                  .schema = contract_.sample,
                  .extents = contract_.extents(environments * agents_.agents),
                  .environments = environments,
                  .snapshot_capacity = policy_index_ == 0 ? snapshot_capacity : 0,
                  .observations = ObservationCodecOptions::From(config_.sample_stream)};
  credit_plan_ =
      MakeCreditPlan(config_, sample_spec_.env_steps_each(),
                     algorithm_->Plan(/*progress=*/0).MinibatchOf(config_.trainer.batch_env_steps));
  return absl::OkStatus();
}

absl::Status Trainer::ReadHistory() {
  std::vector<std::string> rejected;
  auto newest = store_->ReadNewest(&rejected);
  for (const std::string& reason : rejected) spdlog::warn("checkpoint skipped: {}", reason);
  if (newest.ok()) {
    MILLRACE_ASSIGN_OR_RETURN(checkpoint_part_,
                              DecodePart(*newest, agents_.policy, backend_->layout()));
    checkpoint_ = *std::move(newest);
  } else if (newest.status().code() != absl::StatusCode::kNotFound) {
    return newest.status();
  }
  for (const auto& [name, path] : ListLedgers(process_.paths().ledger())) {
    if (name.role != "trainer" || name.index != process_.arguments().index ||
        name.incarnation >= process_.arguments().incarnation) {
      continue;
    }
    if (auto history = Ledger::ReadConsumerHistory(path); history.ok())
      history_ = *std::move(history);
  }
  return absl::OkStatus();
}

GroupMember Trainer::Record() const {
  GroupMember member;
  member.incarnation = process_.arguments().incarnation;
  member.has_parameters = has_parameters_;
  member.batch = has_parameters_                ? batch_
                 : checkpoint_part_.has_value() ? checkpoint_part_->batch
                                                : 0;
  member.checkpoint = checkpoint_.has_value() ? checkpoint_->train_steps : 0;
  if (ledger_ != nullptr) {
    member.version = version_;
    member.epoch = epoch_;
  } else if (history_.has_value()) {
    member.version = static_cast<int64_t>(history_->current.policy_version);
    if (history_->pending.has_value()) {
      member.version =
          std::max(member.version, static_cast<int64_t>(history_->pending->policy_version));
    }
    member.epoch = history_->current.epoch;
  }
  return member;
}

// Forms a (new) group and takes its parameters. `in_hand`: the batch that was being trained when
// the old group was lost. kCancelled if the run ends first.
absl::Status Trainer::JoinGroup(std::optional<SampleBatch> in_hand) {
  while (true) {
    const auto formation = group_->Form(Record(), [&] { return process_.Running(); });
    if (!formation.ok()) {
      if (in_hand.has_value()) intake_->Discard(*std::move(in_hand));
      return formation.status();
    }
    spdlog::info("trainer group of {} formed: epoch {}, batch {}, first version {}",
                 config_.trainer.count, formation->epoch, formation->winner.batch,
                 formation->version);
    if (in_hand.has_value()) {
      // Another rank may have finished the batch that this one lost.
      if (formation->winner.has_parameters && formation->winner.batch == in_hand->number + 1) {
        Commit(*std::move(in_hand), formation->version);
      } else {
        intake_->Discard(*std::move(in_hand));
      }
      in_hand.reset();
    }
    const absl::Status adopted = AdoptFormation(*formation);
    if (adopted.code() != absl::StatusCode::kUnavailable) return adopted;
    spdlog::warn("trainer group lost while it formed: {}", std::string(adopted.message()));
  }
}

absl::Status Trainer::AdoptFormation(const Formation& formation) {
  // A peer lost half-way leaves some tensors of its parameters and some of ours. A copy may be
  // large.
  if (config_.trainer.count > 1) backend_->Checkpoint();
  if (const absl::Status status = backend_->Synchronize(group_->collectives(), formation.source);
      !status.ok()) {
    backend_->Rollback();
    return status;
  }
  if (backend_->sharded()) {
    // For the first checkpoint of a run.
    MILLRACE_RETURN_IF_ERROR(GatherIf(!checkpoint_.has_value(), formation.winner.batch));
  }
  has_parameters_ = true;
  step_->Forget();
  batch_ = formation.winner.batch;
  epoch_ = formation.epoch;
  version_ = static_cast<int64_t>(formation.version);
  const bool first_time = ledger_ == nullptr;
  if (first_time)
    MILLRACE_RETURN_IF_ERROR(
        OpenStreams(RecoveredState(formation, history_, checkpoint_part_, ShareOfBatch())));
  intake_->Begin(formation.epoch, batch_, formation.version);
  if (leader()) {
    MILLRACE_RETURN_IF_ERROR(PublishVersion(formation.version));
    if (first_time && !checkpoint_.has_value())
      checkpoints_->WriteFirst([this] { return MakePart(); });
  }
  checkpoint_.reset();
  checkpoint_part_.reset();
  history_.reset();
  return absl::OkStatus();
}

absl::Status Trainer::OpenStreams(const ConsumerState& state) {
  MILLRACE_ASSIGN_OR_RETURN(
      ledger_, process_.CreateLedger(agents_.policy, static_cast<uint32_t>(rank_), &state));
  StreamContext context = process_.stream_context();
  context.index = static_cast<uint32_t>(rank_);
  SampleIntakeOptions options;
  options.spec = sample_spec_;
  options.transport = ChooseTransport(config_.sample_stream.transport, Transport::kShm);
  options.rank = rank_;
  options.plan = credit_plan_;
  options.policy = agents_.policy;
  MILLRACE_ASSIGN_OR_RETURN(intake_, SampleIntake::Create(options, context, state));
  if (config_.actor.inference == InferenceMode::kTrainer) {
    MILLRACE_ASSIGN_OR_RETURN(inference_, InferenceThread::Start(process_, context, agents_,
                                                                 contract_, make_model_, ledger_));
  }
  if (!leader()) return absl::OkStatus();
  if (config_.reads_dataset()) return OpenCheckpoints();  // nobody acts
  const WeightSpec weights{.policy = agents_.policy,
                           .layout_hash = contract_.layout_hash,
                           .bytes = published_.size(),
                           .checksum = config_.weight_stream.checksum};
  MILLRACE_ASSIGN_OR_RETURN(
      publisher_,
      MakeWeightPublisher(ChooseTransport(config_.weight_stream.transport, Transport::kShm),
                          context, weights));
  MILLRACE_ASSIGN_OR_RETURN(league_, LeagueWriter::Open(config_.policies[policy_index_],
                                                        process_.paths(), backend_->layout()));
  return OpenCheckpoints();
}

absl::Status Trainer::OpenCheckpoints() {
  PolicyCheckpointsOptions options{.paths = process_.paths(),
                                   .policies = {},
                                   .policy = policy_index_,
                                   .layout = backend_->layout(),
                                   .seed = config_.seed,
                                   .every_seconds = config_.checkpoint.every_seconds,
                                   .keep = config_.checkpoint.keep,
                                   .deterministic = config_.deterministic};
  for (const PolicyConfig& policy : config_.policies) options.policies.push_back(policy.name);
  MILLRACE_ASSIGN_OR_RETURN(checkpoints_,
                            PolicyCheckpoints::Create(std::move(options), &process_.control(),
                                                      &process_.bell(), ledger_));
  return absl::OkStatus();
}

absl::Status Trainer::PublishVersion(uint64_t version) {
  const ActivityScope publishing(Activity::kPublish);
  if (publisher_ == nullptr) {
    ledger_->SetMax(Counter::kPolicyVersion, version);
    return absl::OkStatus();
  }
  if (league_ != nullptr) {
    backend_->Snapshot(blob_);
    league_->Offer(version, blob_);
  }
  backend_->Publish(published_);
  absl::Status status = publisher_->Publish({epoch_, version}, published_);
  ledger_->SetMax(Counter::kPolicyVersion, version);
  if (status.code() == absl::StatusCode::kFailedPrecondition) {
    return absl::AbortedError("another trainer has taken over: " + std::string(status.message()));
  }
  return status;
}

PolicyPart Trainer::MakePart() {
  const ActivityScope taking(Activity::kTakeCheckpoint);
  const ConsumerState state = intake_->State();
  PolicyPart part;
  part.policy = agents_.policy;
  part.batch = state.batch;
  part.train_steps = state.train_steps;
  part.version = static_cast<uint64_t>(version_);
  part.trained = state.trained;
  for (size_t i = 0; i < state.num_lanes; ++i) part.marks.push_back(state.lanes[i]);
  part.weights.resize(blob_.size());
  backend_->Snapshot(part.weights);
  part.optimizer = backend_->OptimizerState();
  part.snapshots = snapshots_;
  return part;
}

absl::Status Trainer::Run() {
  MILLRACE_RETURN_IF_ERROR(process_.control().ReportReady());
  const absl::Status status = TrainUntilTold();
  // A group that was forming when the run ended is no failure.
  if (!status.ok() && status.code() != absl::StatusCode::kCancelled) return status;
  return Drain();
}

absl::Status Trainer::TrainUntilTold() {
  EnterActivity(Activity::kOther);
  while (process_.Running()) {
    if (inference_ != nullptr) MILLRACE_RETURN_IF_ERROR(inference_->status());
    if (leader() && HasWholeState()) checkpoints_->Update(batch_, [this] { return MakePart(); });
    if (group_->Changed()) {
      if (backend_->sharded()) return LoseShards("it began anew");
      MILLRACE_RETURN_IF_ERROR(JoinGroup(std::nullopt));
      continue;
    }
    auto batch = intake_->Next(After(kWait));
    if (batch.status().code() == absl::StatusCode::kDeadlineExceeded) continue;
    if (!batch.ok()) return batch.status();
    if (batch->epoch != epoch_) {
      intake_->Discard(*std::move(batch));
      continue;
    }
    MILLRACE_RETURN_IF_ERROR(TrainOne(*std::move(batch)));
  }
  return absl::OkStatus();
}

bool Trainer::AwaitRanks(uint64_t batch) {
  const ActivityScope waiting(Activity::kWaitRanks);
  return group_->AwaitBatch(batch, [&] { return process_.Running(); });
}

// What a checkpoint needs of the other ranks: all of them bring it if the leader finds one due.
// `batch`: the next to be trained.
absl::Status Trainer::GatherIf(bool due, uint64_t batch) {
  torch::Tensor vote = torch::full({1}, due ? 1.0F : 0.0F);
  MILLRACE_RETURN_IF_ERROR(group_->collectives().Broadcast(vote, /*root=*/0));
  if (vote.item<float>() == 0) return absl::OkStatus();
  MILLRACE_RETURN_IF_ERROR(backend_->Gather(group_->collectives()));
  gathered_ = batch;
  return absl::OkStatus();
}

// A peer has gone, and its shards with it: the newest checkpoint has all of them. OK if the run
// ends.
absl::Status Trainer::LoseShards(const std::string& why) {
  const Deadline deadline = After(kEndPatience);
  while (process_.Running() && !Expired(deadline)) {
    const uint32_t seen = process_.bell().Value();
    process_.bell().Wait(seen, After(kWait));
  }
  if (!process_.Running()) return absl::OkStatus();
  return absl::AbortedError("another trainer is lost, and its shards of the state with it (" + why +
                            "): starting anew from the newest checkpoint");
}

absl::StatusOr<TrainReport> Trainer::Train(SampleBatch& batch) {
  const ActivityScope training(Activity::kTrainOther);
  MILLRACE_ASSIGN_OR_RETURN(TrainReport report,
                            step_->Run(batch, Progress(), group_->collectives()));
  if (backend_->sharded()) {
    const bool last =
        credit_plan_.last_batch.has_value() && batch.number >= *credit_plan_.last_batch;
    const bool due = leader() && (last || checkpoints_->Due() || !process_.Running());
    MILLRACE_RETURN_IF_ERROR(GatherIf(due, batch.number + 1));
  }
  if (acts_deterministically()) {
    MILLRACE_ASSIGN_OR_RETURN(snapshots_, GatherSnapshots(batch, group_->collectives()));
  }
  return report;
}

// The batch that was trained last counts. Its segments are trained once, however often they are
// used.
void Trainer::Commit(SampleBatch batch, uint64_t next_version) {
  ledger_->Add(Counter::kSampleUses, batch.segments.size() * step_->batches());
  intake_->Commit(std::move(batch), next_version);
}

absl::Status Trainer::TrainOne(SampleBatch batch) {
  if (!AwaitRanks(batch.number)) {
    intake_->Discard(std::move(batch));
    if (!process_.Running()) return absl::OkStatus();
    if (backend_->sharded()) return LoseShards("it began anew");
    return JoinGroup(std::nullopt);
  }
  const bool alone = config_.trainer.count == 1;
  if (!alone && !backend_->sharded()) backend_->Checkpoint();
  intake_->SetPending(batch);
  auto report = Train(batch);
  if (report.status().code() == absl::StatusCode::kUnavailable) {
    spdlog::warn("trainer group lost in batch {}: {}", batch.number,
                 std::string(report.status().message()));
    if (backend_->sharded()) {
      gathered_.reset();  // some of its steps were taken
      intake_->Discard(std::move(batch));
      return LoseShards(std::string(report.status().message()));
    }
    backend_->Rollback();
    return JoinGroup(std::move(batch));
  }
  if (!report.ok()) return report.status();
  if (report->skipped_steps > 0) {
    spdlog::warn("batch {}: {} optimiser steps skipped because a gradient was not finite",
                 batch.number, report->skipped_steps);
  }
  const uint64_t next_version = static_cast<uint64_t>(version_) + 1;
  batch_ = batch.number + 1;
  Commit(std::move(batch), next_version);
  version_ = static_cast<int64_t>(next_version);
  ledger_->Add(Counter::kTrainSteps, 1);
  if (leader()) {
    MILLRACE_RETURN_IF_ERROR(PublishVersion(next_version));
    PutMetrics(*report);
  }
  intake_->Advance(batch_);
  return absl::OkStatus();
}

// Not at every batch: there may be hundreds a second. The last one is always sent.
void Trainer::PutMetrics(const TrainReport& report) {
  metrics_ = report.metrics;
  if (Expired(next_metrics_)) SendMetrics();
}

void Trainer::SendMetrics() {
  if (metrics_.empty()) return;
  next_metrics_ = After(kMetricsEvery);
  const absl::Status status = process_.control().Put(
      "metrics/" + agents_.policy, nlohmann::json(std::exchange(metrics_, {})).dump());
  if (!status.ok()) spdlog::debug("metrics not sent: {}", std::string(status.message()));
}

double Trainer::Progress() const {
  if (!config_.stop.env_steps.has_value()) return 0;
  const double done =
      static_cast<double>(batch_) * static_cast<double>(config_.trainer.batch_env_steps);
  return std::min(1.0, done / static_cast<double>(*config_.stop.env_steps));
}

// Goes on to the end whatever fails on the way: the accounts must be closed.
absl::Status Trainer::Drain() {
  const Deadline deadline = DrainDeadline(config_, kDrainShare);
  group_->Dissolve();
  SendMetrics();
  absl::Status status;
  if (leader() && !HasWholeState()) {
    spdlog::info(
        "no checkpoint of batch {}: the other trainers' shards are those of an earlier one",
        batch_);
  } else if (leader()) {
    status = checkpoints_->WriteLast(
        batch_, [this] { return MakePart(); }, DrainDeadline(config_, kPartsShare));
  }
  intake_->Drain(deadline);
  if (leader()) status.Update(checkpoints_->Finish(deadline));
  return status;
}

}  // namespace

absl::Status RunTrainerWorker(WorkerProcess& process, const TorchRegistry& registry,
                              const InferenceModelFactory& make_model) {
  Trainer trainer(process, registry, make_model);
  MILLRACE_RETURN_IF_ERROR(trainer.SetUp());
  return trainer.Run();
}

}  // namespace millrace
