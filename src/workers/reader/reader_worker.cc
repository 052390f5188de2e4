#include "workers/reader/reader_worker.h"

#include <memory>
#include <vector>

#include "env/guarded.h"
#include "millrace/core/status.h"
#include "workers/common/drain.h"

namespace millrace {
namespace {

constexpr auto kMaintenance = std::chrono::milliseconds(100);
constexpr double kDrainShare = 0.6;

class Reader {
 public:
  Reader(WorkerProcess& process, const Registry& registry)
      : process_(process), config_(process.config()), registry_(registry) {}

  absl::Status SetUp();
  absl::Status Run();

 private:
  // True if there was a credit and a slot for it.
  absl::StatusOr<bool> PostSegment();
  absl::Status Fill(const OpenSegment& segment);
  int64_t segment_samples() const { return config_.reader.segment_samples; }

  WorkerProcess& process_;
  const ExperimentConfig& config_;
  const Registry& registry_;
  Ledger* ledger_ = nullptr;
  std::unique_ptr<Dataset> dataset_;
  std::unique_ptr<SampleProducer> samples_;
  std::optional<Credit> credit_;  // no slot was free for it yet
};

absl::Status Reader::SetUp() {
  MILLRACE_ASSIGN_OR_RETURN(ledger_, process_.CreateLedger());
  MILLRACE_ASSIGN_OR_RETURN(dataset_,
                            registry_.MakeDataset(config_.dataset.type, config_.dataset.options,
                                                  DatasetSplit::kTrain, config_.dataset.where));
  const std::string& policy = config_.policies.front().name;
  MILLRACE_ASSIGN_OR_RETURN(const PolicyContract contract, process_.AwaitContract(policy));
  MILLRACE_ASSIGN_OR_RETURN(const Schema schema,
                            Schema::Create(SampleFields(dataset_->spec(), Extent::kSteps)));
  if (schema != contract.sample) {
    return absl::InvalidArgumentError(
        fmt::format("dataset \"{}\": the trainer's and the readers' plug-ins disagree about the "
                    "fields of its samples",
                    config_.dataset.type));
  }
  const int samples = config_.reader.segment_samples;
  const SampleStreamSpec spec{.policy = policy,
                              .schema = schema,
                              .extents = contract.extents(samples),
                              .environments = samples,
                              .checksum = config_.sample_stream.checksum,
                              .observations = ObservationCodecOptions::From(config_.sample_stream)};
  // One reader may have to fill all batches by itself.
  const int64_t slots = config_.trainer.batch_env_steps / samples * config_.batches_under_way();
  MILLRACE_ASSIGN_OR_RETURN(
      samples_,
      MakeSampleProducer(ChooseTransport(config_.sample_stream.transport, Transport::kShm),
                         process_.stream_context(), spec, static_cast<int>(slots)));
  samples_->Want(static_cast<int>(slots));
  return absl::OkStatus();
}

absl::Status Reader::Fill(const OpenSegment& segment) {
  const ActivityScope reading(Activity::kEnvironment);
  const int64_t per_batch = config_.trainer.batch_env_steps;
  const int64_t first = static_cast<int64_t>(segment.credit.batch) * per_batch +
                        static_cast<int64_t>(segment.credit.slot) * segment_samples();
  const Layout& layout = samples_->layout();
  // [1, B, ...] each: without the steps, [B, ...].
  std::vector<TensorView> fields;
  for (size_t f = 0; f < layout.schema().fields().size(); ++f) {
    fields.push_back(layout.View(static_cast<int>(f), segment.payload)[0]);
  }
  return Guarded("its Read()",
                 [&] { return ReadRound(*dataset_, first, segment_samples(), fields); });
}

absl::StatusOr<bool> Reader::PostSegment() {
  if (!credit_.has_value()) credit_ = samples_->TryCredit();
  if (!credit_.has_value()) return false;
  const std::optional<OpenSegment> segment = samples_->Begin(*credit_);
  if (!segment.has_value()) return false;
  credit_.reset();
  if (const absl::Status filled = Fill(*segment); !filled.ok()) {
    samples_->Abandon(*segment);
    // To try again would not help: the run fails with this message.
    return absl::FailedPreconditionError(
        fmt::format("dataset \"{}\": {}", config_.dataset.type, std::string(filled.message())));
  }
  // No policy acted: samples are as new as the version that is trained on them.
  SegmentHeader header;
  header.environments = static_cast<uint32_t>(segment_samples());
  header.version_min = header.version_max = segment->credit.min_version;
  MILLRACE_RETURN_IF_ERROR(samples_->Commit(*segment, header));
  samples_->Want(1);
  const auto samples = static_cast<uint64_t>(segment_samples());
  ledger_->Add(Counter::kEnvSteps, samples);
  ledger_->Add(Counter::kAgentSteps, samples);
  return true;
}

absl::Status Reader::Run() {
  MILLRACE_RETURN_IF_ERROR(process_.control().ReportReady());
  EnterActivity(Activity::kOther);
  while (process_.Running()) {
    const uint32_t seen = process_.bell().Value();
    if (process_.command() != WorkerCommand::kPause) {
      MILLRACE_ASSIGN_OR_RETURN(const bool posted, PostSegment());
      if (posted) continue;
    }
    const ActivityScope waiting(Activity::kWaitCredit);
    process_.bell().Wait(seen, After(kMaintenance));
  }
  AwaitAcknowledged(process_, kDrainShare, [this] { return samples_->unacknowledged(); });
  return absl::OkStatus();
}

}  // namespace

absl::Status RunReaderWorker(WorkerProcess& process, const Registry& registry) {
  Reader reader(process, registry);
  MILLRACE_RETURN_IF_ERROR(reader.SetUp());
  return reader.Run();
}

}  // namespace millrace
