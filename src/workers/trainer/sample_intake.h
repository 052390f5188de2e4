// The trainer's side thread: takes segments, keeps their accounts, grants credits and prepares the
// next batch while the main thread trains.
//
//   sample stream --> [intake thread: check, hold, assemble] --> batches --> [main thread: train]
//          ^ credits, dispose                                                       | Commit,
//          +------------------------------------------------------------------------+ Discard
//
// A segment stays in its producer's slab until the ledger says that its batch counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/bounded_queue.h"
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

// Thread-safe: the public calls are carried out by the intake thread, between two of its rounds.
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
  // The next batch. kDeadlineExceeded; kCancelled after Stop().
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
  void Call(const std::function<void()>& command);
  void RunCommands();

  void ReceiveAll();
  void Take(const ReceivedSegment& segment);
  std::optional<DropReason> ReasonToDrop(const ReceivedSegment& segment) const;
  void Drop(const ReceivedSegment& segment, DropReason reason);
  void TakeRefused();
  void ReturnCredit(LaneKey key, const Credit& credit);
  void TellReturned();
  void HearReturned();
  void HandleClosedProducers();
  void ReleaseCreditsOf(LaneKey key);
  void CloseLane(LaneKey key, uint64_t committed);
  bool Holds(LaneKey key) const;
  void GrantCredits();
  void CompleteBatches();
  void DropReadyBatches(DropReason reason);
  void DropBatch(const SampleBatch& batch, DropReason reason);
  void FlushDrops();
  ConsumerState StateAfter(const SampleBatch& batch, uint64_t next_version) const;
  uint64_t VersionOf(uint64_t batch) const { return first_version_ + (batch - first_batch_); }

  const SampleIntakeOptions options_;
  const int64_t segments_per_rank_;
  NameService* const names_;
  RankReports ranks_;
  Doorbell* const bell_;
  Ledger* const ledger_;

  // Owned by the intake thread; other threads reach it through Call().
  std::unique_ptr<SampleConsumer> consumer_;
  std::unique_ptr<ConsumerState> state_;
  CreditGranter granter_;
  uint64_t epoch_ = 0;  // 0: no group has formed yet
  uint64_t first_batch_ = 0, first_version_ = 0;
  uint64_t next_batch_ = 0;  // to be assembled
  bool pending_ = false;     // a batch is being trained: the ledger's current state must not change
  bool dirty_ = false;       // state_ has changes the ledger has not
  bool draining_ = false;
  std::map<uint64_t, std::vector<ReceivedSegment>> held_;
  std::vector<ReceivedSegment> early_;  // of an epoch that is still to come
  std::map<LaneKey, int> in_training_;
  std::vector<ReceivedSegment> to_dispose_;
  std::map<LaneKey, RankReports::Counts> received_;
  struct Lost {
    uint64_t committed = 0;
    // Rank 0 has granted them again; another rank has told it what it received.
    bool credits_released = false;
  };
  std::map<LaneKey, Lost> lost_;
  std::set<LaneKey> closed_;
  // Credits of this epoch whose segments came to nothing: at this rank, by batch; and, at rank 0,
  // those of the other ranks that have been granted again, by (batch, rank).
  std::map<uint64_t, int> returned_;
  bool returned_changed_ = false;
  RankReports::Counts returned_heard_;
  uint64_t returned_seen_ = 0;  // the names' revision, in this epoch
  uint64_t names_seen_ = 0;

  Mutex mutex_;
  CondVar commands_done_;
  std::deque<std::function<void()>> commands_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  BoundedQueue<SampleBatch> ready_;
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace millrace
