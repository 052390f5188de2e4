// The data-parallel group of one policy's trainers: who is in it, which parameters hold, and its
// collectives.
//
// Every rank publishes a member record (trainer/POLICY/RANK) and watches the others'. A group forms
// when all ranks have seen the same set of (incarnation, attempt); it is over when a collective
// fails or a member's record changes. The records alone decide epoch, version, batch and whose
// parameters win, so no rank needs to be asked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control/control_client.h"
#include "core/doorbell.h"
#include "millrace/backends/backend.h"

namespace millrace {

struct GroupMember {
  uint32_t incarnation = 0;
  uint32_t attempt = 0;         // how often this incarnation has tried to form a group
  bool has_parameters = false;  // live ones, newer than any checkpoint
  uint64_t batch = 0;  // batches in the lineage of its parameters (or of its newest checkpoint)
  uint64_t checkpoint = 0;  // train_steps of the checkpoint it would load; 0 if none
  int64_t version = -1;     // newest policy version it has recorded; -1 for none
  uint64_t epoch = 0;       // newest epoch it has recorded
  bool operator==(const GroupMember&) const = default;
};

struct Formation {
  uint64_t epoch = 0;
  uint64_t version = 0;  // to publish first
  int source = 0;        // the rank whose parameters every rank takes
  GroupMember winner;    // its record
};

// What the members' records imply. Pure.
Formation Decide(const std::vector<GroupMember>& members);

// Bound to the trainer's main thread.
class TrainerGroup {
 public:
  // `shm`: where the group may meet, if all ranks share memory; else they meet over Gloo.
  TrainerGroup(ControlClient* control, Doorbell* bell, std::string policy, int rank, int size,
               std::optional<std::filesystem::path> shm);
  ~TrainerGroup();

  // Forms a group with `self` as this rank's record; waits as long as `keep_waiting` says so.
  // kCancelled otherwise.
  absl::StatusOr<Formation> Form(GroupMember self, const std::function<bool()>& keep_waiting);
  // A member has gone or come back: the group is over.
  bool Changed() const;
  // Waits until every rank has its part of `batch`. False if the group changed or `keep_waiting`
  // ended.
  bool AwaitBatch(uint64_t batch, const std::function<bool()>& keep_waiting);

  Collectives& collectives() { return *collectives_; }
  void Dissolve();

 private:
  absl::StatusOr<std::unique_ptr<Collectives>> Join(const std::string& tag);
  std::string Key(int rank) const;
  absl::Status Publish(uint64_t ready_batch);
  // Empty unless all ranks have a record.
  std::vector<GroupMember> Members() const;
  static std::string Tag(const std::vector<GroupMember>& members);
  bool AllSaw(const std::string& tag) const;

  ControlClient* const control_;
  Doorbell* const bell_;
  const std::string policy_;
  const int rank_;
  const int size_;
  const std::optional<std::filesystem::path> shm_;
  GroupMember self_;
  std::string seen_;  // tag this rank has seen
  std::vector<GroupMember> formed_;
  std::unique_ptr<Collectives> collectives_;
};

}  // namespace millrace
