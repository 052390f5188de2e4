#include "workers/trainer/policy_checkpoints.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "checkpoint/merge.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr auto kWait = std::chrono::milliseconds(20);
constexpr auto kPartPatience = std::chrono::seconds(60);
constexpr size_t kRemembered = 3;
constexpr char kAsked[] = "checkpoint/";
constexpr char kAskedBatch[] = "checkpoint/batch";
constexpr char kLastBatch[] = "last_batch/";
constexpr char kLastPart[] = "last_part/";

std::optional<uint64_t> ParseBatch(const std::string& text) {
  uint64_t batch = 0;
  return absl::SimpleAtoi(text, &batch) ? std::optional(batch) : std::nullopt;
}

std::filesystem::path PartsOf(const RunPaths& paths, const std::string& policy) {
  return paths.checkpoints() / ".parts" / policy;
}

// True for any part if no batch is given.
bool IsOfBatch(const Checkpoint& part, std::optional<uint64_t> batch) {
  if (!batch.has_value()) return true;
  const auto manifest =
      nlohmann::json::parse(part.manifest_json, nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object()) return false;
  const auto policies = manifest.value("policies", nlohmann::json::object());
  return policies.size() == 1 && policies.begin()->value("batch", uint64_t{0}) == *batch;
}

// Another policy's part, which may still be on its way.
absl::StatusOr<Checkpoint> AwaitPart(const CheckpointStore& store, std::optional<uint64_t> batch,
                                     const std::atomic<bool>& ending) {
  const Deadline deadline = After(kPartPatience);
  while (true) {
    auto part = store.ReadNewest();
    if (part.ok() && IsOfBatch(*part, batch)) return part;
    if (!part.ok() && part.status().code() != absl::StatusCode::kNotFound) return part.status();
    if (Expired(deadline) || ending) {
      return absl::UnavailableError("another policy's part did not come in time");
    }
    std::this_thread::sleep_for(kWait);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<PolicyCheckpoints>> PolicyCheckpoints::Create(
    PolicyCheckpointsOptions options, ControlClient* control, Doorbell* bell, Ledger* ledger) {
  std::unique_ptr<PolicyCheckpoints> self(new PolicyCheckpoints(std::move(options), control, bell));
  const PolicyCheckpointsOptions& chosen = self->options_;
  for (size_t p = 1; self->first() && p < chosen.policies.size(); ++p) {
    MILLRACE_ASSIGN_OR_RETURN(auto parts,
                              CheckpointStore::Open(PartsOf(chosen.paths, chosen.policies[p])));
    self->others_.push_back(std::move(parts));
  }
  MILLRACE_ASSIGN_OR_RETURN(
      CheckpointStore target,
      CheckpointStore::Open(self->first() ? chosen.paths.checkpoints()
                                          : PartsOf(chosen.paths, self->policy())));
  self->writer_ = std::make_unique<CheckpointWriter>(std::move(target), chosen.keep, ledger);
  for (const char* prefix : {kAsked, kLastBatch, kLastPart}) {
    MILLRACE_RETURN_IF_ERROR(control->Watch(prefix, bell));
  }
  self->ScheduleNext();
  return self;
}

void PolicyCheckpoints::ScheduleNext() {
  next_ = After(std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(options_.every_seconds)));
}

void PolicyCheckpoints::WriteFirst(const MakePart& make) { Write(make()); }

void PolicyCheckpoints::Write(PolicyPart part, bool last) {
  std::optional<uint64_t> batch;
  if (in_step()) batch = written_ = part.batch;
  writer_->Request([part = std::move(part), layout = options_.layout, seed = options_.seed,
                    others = others_, ending = ending_, batch,
                    last]() -> absl::StatusOr<Checkpoint> {
    MILLRACE_ASSIGN_OR_RETURN(Checkpoint own,
                              EncodeCheckpoint({part}, {{part.policy, layout}}, seed));
    if (others.empty()) return own;
    std::vector<Checkpoint> parts = {std::move(own)};
    for (const CheckpointStore& other : others) {
      auto newest = AwaitPart(other, batch, *ending);
      if (!newest.ok() && last) {
        spdlog::warn("the last checkpoint is not of one batch: {}",
                     std::string(newest.status().message()));
        newest = other.ReadNewest();
      }
      if (!newest.ok()) return newest.status();
      parts.push_back(*std::move(newest));
    }
    return MergeCheckpoints(parts);
  });
  ScheduleNext();
}

void PolicyCheckpoints::Remember(uint64_t batch, const MakePart& make) {
  if (!remembered_.empty() && remembered_.back().batch == batch) return;
  remembered_.push_back(make());
  if (remembered_.size() > kRemembered) remembered_.pop_front();
}

const PolicyPart* PolicyCheckpoints::Remembered(uint64_t batch) const {
  const auto found = std::find_if(remembered_.begin(), remembered_.end(),
                                  [&](const PolicyPart& part) { return part.batch == batch; });
  return found == remembered_.end() ? nullptr : &*found;
}

void PolicyCheckpoints::Update(uint64_t batch, const MakePart& make) {
  if (in_step()) {
    Remember(batch, make);
    if (!first()) return WriteWhatIsAsked();
  }
  if (!Expired(next_)) return;
  if (!in_step()) return Write(make());
  const absl::Status asked = control_->Put(kAskedBatch, std::to_string(batch));
  if (asked.ok()) return Write(remembered_.back());
  spdlog::warn("no checkpoint of batch {}: {}", batch, std::string(asked.message()));
  ScheduleNext();
}

void PolicyCheckpoints::WriteWhatIsAsked() {
  for (const NameEntry& entry : control_->List(kAsked)) {
    const auto batch = ParseBatch(entry.value);
    if (!batch.has_value() || batch == written_) continue;
    if (const PolicyPart* part = Remembered(*batch)) Write(*part);
  }
}

bool PolicyCheckpoints::AwaitAll(const std::string& prefix, Deadline deadline) {
  while (true) {
    const uint32_t seen = bell_->Value();
    if (control_->List(prefix).size() >= options_.policies.size()) return true;
    if (Expired(deadline)) return false;
    bell_->Wait(seen, std::min(deadline, After(kWait)));
  }
}

// Deterministic: of the last batch that every policy has trained.
PolicyPart PolicyCheckpoints::LastPart(uint64_t batch, const MakePart& make, Deadline deadline) {
  if (!in_step()) return make();
  Remember(batch, make);
  const absl::Status put = control_->Put(kLastBatch + policy(), std::to_string(batch));
  uint64_t common = batch;
  if (put.ok() && AwaitAll(kLastBatch, deadline)) {
    for (const NameEntry& entry : control_->List(kLastBatch)) {
      common = std::min(common, ParseBatch(entry.value).value_or(common));
    }
  }
  if (const PolicyPart* part = Remembered(common)) return *part;
  spdlog::warn("batch {} is not remembered: this checkpoint is not of one batch", common);
  return remembered_.back();
}

absl::Status PolicyCheckpoints::WriteLast(uint64_t batch, const MakePart& make, Deadline deadline) {
  *ending_ = true;
  PolicyPart part = LastPart(batch, make, deadline);
  if (options_.policies.size() == 1) {
    Write(std::move(part), /*last=*/true);
    return absl::OkStatus();
  }
  absl::Status status;
  if (first()) {
    status = control_->Put(kLastPart + policy(), "waiting");
    if (!AwaitAll(kLastPart, deadline)) {
      spdlog::warn("the last checkpoint holds older parts of some policies");
    }
    Write(std::move(part), /*last=*/true);
  } else {
    Write(std::move(part), /*last=*/true);
    status = writer_->Finish(deadline);
    status.Update(control_->Put(kLastPart + policy(), "written"));
  }
  return status;
}

}  // namespace millrace
