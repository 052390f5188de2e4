#include "workers/trainer/trainer_group.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "backends/gloo_collectives.h"
#include "backends/shm_collectives.h"
#include "backends/single_rank_collectives.h"
#include "millrace/core/status.h"
#include "workers/trainer/store_bridge.h"

namespace millrace {
namespace {

using nlohmann::json;

constexpr auto kPoll = std::chrono::milliseconds(100);
constexpr auto kCollectiveTimeout = std::chrono::seconds(8);

json ToJson(const GroupMember& member) {
  return {{"incarnation", member.incarnation},
          {"attempt", member.attempt},
          {"has_parameters", member.has_parameters},
          {"batch", member.batch},
          {"checkpoint", member.checkpoint},
          {"version", member.version},
          {"epoch", member.epoch}};
}

GroupMember FromJson(const json& value) {
  return {.incarnation = value.value("incarnation", 0u),
          .attempt = value.value("attempt", 0u),
          .has_parameters = value.value("has_parameters", false),
          .batch = value.value("batch", uint64_t{0}),
          .checkpoint = value.value("checkpoint", uint64_t{0}),
          .version = value.value("version", int64_t{-1}),
          .epoch = value.value("epoch", uint64_t{0})};
}

json Record(const NameService& names, const std::string& key) {
  for (const NameEntry& entry : names.List(key)) {
    if (entry.key == key) return json::parse(entry.value, nullptr, /*allow_exceptions=*/false);
  }
  return {};
}

}  // namespace

Formation Decide(const std::vector<GroupMember>& members) {
  Formation formation;
  const bool live = std::any_of(members.begin(), members.end(),
                                [](const GroupMember& member) { return member.has_parameters; });
  // Live parameters win over checkpoints, more batches over fewer, lower ranks over higher ones.
  // Without live parameters rank 0 loads its newest checkpoint.
  for (size_t rank = 0; live && rank < members.size(); ++rank) {
    const GroupMember& best = members[static_cast<size_t>(formation.source)];
    const bool better =
        members[rank].has_parameters && (!best.has_parameters || members[rank].batch > best.batch);
    if (better) formation.source = static_cast<int>(rank);
  }
  int64_t version = -1;
  for (const GroupMember& member : members) {
    formation.epoch = std::max(formation.epoch, member.epoch);
    version = std::max(version, member.version);
  }
  formation.epoch += 1;
  formation.version = static_cast<uint64_t>(version + 1);
  formation.winner = members[static_cast<size_t>(formation.source)];
  return formation;
}

TrainerGroup::TrainerGroup(ControlClient* control, Doorbell* bell, std::string policy, int rank,
                           int size, std::optional<std::filesystem::path> shm)
    : control_(control),
      bell_(bell),
      policy_(std::move(policy)),
      rank_(rank),
      size_(size),
      shm_(std::move(shm)) {}

TrainerGroup::~TrainerGroup() = default;

std::string TrainerGroup::Key(int rank) const {
  return NameKey("trainer", policy_, "rank", static_cast<uint64_t>(rank));
}

absl::Status TrainerGroup::Publish(uint64_t ready_batch) {
  json record = ToJson(self_);
  record["seen"] = seen_;
  record["ready_batch"] = ready_batch;
  return control_->Put(Key(rank_), record.dump());
}

std::vector<GroupMember> TrainerGroup::Members() const {
  std::vector<GroupMember> members;
  for (int rank = 0; rank < size_; ++rank) {
    if (rank == rank_) {
      members.push_back(self_);
      continue;
    }
    const json record = Record(*control_, Key(rank));
    if (!record.is_object()) return {};
    members.push_back(FromJson(record));
  }
  return members;
}

std::string TrainerGroup::Tag(const std::vector<GroupMember>& members) {
  std::string tag;
  for (const GroupMember& member : members) {
    tag += fmt::format("{}.{}-", member.incarnation, member.attempt);
  }
  return tag;
}

bool TrainerGroup::AllSaw(const std::string& tag) const {
  for (int rank = 0; rank < size_; ++rank) {
    if (rank != rank_ && Record(*control_, Key(rank)).value("seen", "") != tag) return false;
  }
  return true;
}

absl::StatusOr<Formation> TrainerGroup::Form(GroupMember self,
                                             const std::function<bool()>& keep_waiting) {
  Dissolve();
  self.attempt = self_.attempt + 1;
  self_ = self;
  seen_.clear();
  if (size_ == 1) {
    formed_ = {self_};
    collectives_ = MakeSingleRankCollectives();
    return Decide(formed_);
  }
  MILLRACE_RETURN_IF_ERROR(control_->Watch("trainer/" + policy_ + "/", bell_));
  MILLRACE_RETURN_IF_ERROR(Publish(0));
  while (keep_waiting()) {
    const uint32_t seen = bell_->Value();
    const std::vector<GroupMember> members = Members();
    if (!members.empty()) {
      const std::string tag = Tag(members);
      if (tag != seen_) {
        seen_ = tag;
        MILLRACE_RETURN_IF_ERROR(Publish(0));
      }
      if (AllSaw(tag)) {
        auto collectives = Join(tag);
        if (collectives.ok()) {
          collectives_ = *std::move(collectives);
          formed_ = members;
          return Decide(members);
        }
        spdlog::warn("trainer group did not form: {}", std::string(collectives.status().message()));
        ++self_.attempt;
        MILLRACE_RETURN_IF_ERROR(Publish(0));
      }
    }
    bell_->Wait(seen, After(kPoll));
  }
  return absl::CancelledError("no trainer group formed");
}

absl::StatusOr<std::unique_ptr<Collectives>> TrainerGroup::Join(const std::string& tag) {
  if (shm_.has_value()) {
    return MakeShmCollectives({.file = *shm_ / fmt::format("trainers-{}-{}", policy_, tag),
                               .rank = rank_,
                               .size = size_,
                               .timeout = kCollectiveTimeout});
  }
  const auto store =
      MakeControlStore(control_, fmt::format("c10d/{}/{}", policy_, tag), kCollectiveTimeout);
  return MakeGlooCollectives(store, rank_, size_, kCollectiveTimeout);
}

bool TrainerGroup::Changed() const {
  if (size_ == 1) return false;
  const std::vector<GroupMember> members = Members();
  return members.empty() || Tag(members) != Tag(formed_);
}

bool TrainerGroup::AwaitBatch(uint64_t batch, const std::function<bool()>& keep_waiting) {
  if (size_ == 1) return true;
  if (!Publish(batch + 1).ok()) return false;
  while (keep_waiting()) {
    const uint32_t seen = bell_->Value();
    if (Changed()) return false;
    bool all = true;
    for (int rank = 0; rank < size_; ++rank) {
      if (rank == rank_) continue;
      all = all && Record(*control_, Key(rank)).value("ready_batch", uint64_t{0}) > batch;
    }
    if (all) return true;
    bell_->Wait(seen, After(kPoll));
  }
  return false;
}

void TrainerGroup::Dissolve() {
  collectives_.reset();
  formed_.clear();
}

}  // namespace millrace
