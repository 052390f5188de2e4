// What lies between the sample stream and the training of a batch: takes segments, keeps their
// accounts, grants credits and prepares the next batch.
//
//   sample stream --> [round: check, hold, assemble] --> batches --> [main thread: train]
//          ^ credits, dispose                                              | Commit,
//          +---------------------------------------------------------------+ Discard
//
// Rounds are made by the intake thread while the main thread trains, and by the main thread itself
// while it waits for a batch: handing every step over between two threads costs two wake-ups, more
// than most of the steps. A segment stays in its producer's slab until the ledger says that its
// batch counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/doorbell.h"
#include "core/mutex.h"
#include "data/ledger.h"
#include "streams/factory.h"
#include "workers/trainer/credit_granter.h"
#include "workers/trainer/rank_reports.h"
#include "workers/trainer/sample_batch.h"

namespace millrace {

struct SampleIntakeOptions {
  SampleStreamSpec spec;
  Transport transport = Transport::kShm;
  int rank = 0;
  CreditPlan plan;
  std::string policy;
};

// Thread-safe.
class SampleIntake {
 public:
  // `state`: what the ledger says this rank has consumed so far.
  static absl::StatusOr<std::unique_ptr<SampleIntake>> Create(const SampleIntakeOptions& options,
                                                              const StreamContext& context,
                                                              const ConsumerState& state);
  ~SampleIntake();

  // A trainer group has formed: what is held from earlier epochs is dropped (lost_consumer),
  // credits start anew.
  void Begin(uint64_t epoch, uint64_t batch, uint64_t version);
  // The next batch. kDeadlineExceeded.
  absl::StatusOr<SampleBatch> Next(Deadline deadline);
  // Before training: what the accounts will be if this batch counts.
  void SetPending(const SampleBatch& batch);
  // The batch counts: ledger first, then the slots. `next_version` is recorded before anybody may
  // publish it.
  void Commit(SampleBatch batch, uint64_t next_version);
  // The group was lost while this batch was trained: it does not count.
  void Discard(SampleBatch batch);
  // `batch` may now be granted (its version is published).
  void Advance(uint64_t batch);
  // Everything that still arrives is dropped as drained, until every producer is closed or the
  // deadline passes.
  void Drain(Deadline deadline);

  ConsumerState State();

 private:
  using LaneKey = RankReports::LaneKey;

  SampleIntake(SampleIntakeOptions options, const StreamContext& context,
               const ConsumerState& state);
  void Run(const std::stop_token& stop);
  void Round() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void ReceiveAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(const ReceivedSegment& segment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<DropReason> ReasonToDrop(const ReceivedSegment& segment) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Drop(const ReceivedSegment& segment, DropReason reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeRefused() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReturnCredit(LaneKey key, const Credit& credit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellReturned() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HearReturned() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HandleClosedProducers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseCreditsOf(LaneKey key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseLane(LaneKey key, uint64_t committed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Holds(LaneKey key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GrantCredits() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CompleteBatches() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropReadyBatches(DropReason reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropBatch(const SampleBatch& batch, DropReason reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FlushDrops() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ConsumerState StateAfter(const SampleBatch& batch, uint64_t next_version) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t VersionOf(uint64_t batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return first_version_ + (batch - first_batch_);
  }

  const SampleIntakeOptions options_;
  const int64_t segments_per_rank_;
  NameService* const names_;
  RankReports ranks_;
  Doorbell* const bell_;
  Ledger* const ledger_;

  // Whether the main thread makes the rounds at present.
  std::atomic<bool> main_waits_{false};

  Mutex mutex_;
  std::unique_ptr<SampleConsumer> consumer_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<ConsumerState> state_ ABSL_GUARDED_BY(mutex_);
  CreditGranter granter_ ABSL_GUARDED_BY(mutex_);
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: no group has formed yet
  uint64_t first_batch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t first_version_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_batch_ ABSL_GUARDED_BY(mutex_) = 0;  // to be assembled
  // A batch is being trained: the ledger's current state must not change.
  bool pending_ ABSL_GUARDED_BY(mutex_) = false;
  bool dirty_ ABSL_GUARDED_BY(mutex_) = false;  // state_ has changes the ledger has not
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<uint64_t, std::vector<ReceivedSegment>> held_ ABSL_GUARDED_BY(mutex_);
  std::vector<ReceivedSegment> early_ ABSL_GUARDED_BY(mutex_);  // of an epoch still to come
  std::map<LaneKey, int> in_training_ ABSL_GUARDED_BY(mutex_);
  std::vector<ReceivedSegment> to_dispose_ ABSL_GUARDED_BY(mutex_);
  std::map<LaneKey, RankReports::Counts> received_ ABSL_GUARDED_BY(mutex_);
  struct Lost {
    uint64_t committed = 0;
    // Rank 0 has granted them again; another rank has told it what it received.
    bool credits_released = false;
  };
  std::map<LaneKey, Lost> lost_ ABSL_GUARDED_BY(mutex_);
  std::set<LaneKey> closed_ ABSL_GUARDED_BY(mutex_);
  // Credits of this epoch whose segments came to nothing: at this rank; and, at rank 0, those of
  // the other ranks that have been granted again.
  RankReports::Counts returned_ ABSL_GUARDED_BY(mutex_);
  bool returned_changed_ ABSL_GUARDED_BY(mutex_) = false;
  RankReports::Counts returned_heard_ ABSL_GUARDED_BY(mutex_);
  uint64_t returned_seen_ ABSL_GUARDED_BY(mutex_) = 0;  // the names' revision, in this epoch
  uint64_t names_seen_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<SampleBatch> ready_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace millrace
