// Rank 0's credits: who may start a segment, for which batch and which rank. Pure bookkeeping, no
// I/O.
//
// A batch consists of exactly the segments whose credits name it, so nothing in it can be older
// than the allowed lag. Batch b is trained at version V(b); its credits are granted as soon as
// version V(b) - max_policy_lag is published and ask for at least that version. With lag 0 exactly
// one batch is granted per version: synchronous PPO.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "data/segment.h"
#include "streams/sample_stream.h"

namespace millrace {

struct CreditPlan {
  int64_t segments_per_batch = 0;  // over all ranks
  int ranks = 1;
  int max_policy_lag = 0;
  std::optional<uint64_t> last_batch;  // no credits beyond it: the run's step limit
  // Deterministic: every one of so many producers, with so many groups each, gets an equal share of
  // each batch, and all segments of a group go to the same rank.
  int fixed_producers = 0;
  int groups_per_producer = 1;
  // The segments of a batch are numbered (Credit::slot), and no policy acts in them: they are as
  // new as the version that they are trained at.
  bool slots = false;
  // So many in a row go to one rank, those that follow to the next: its part of a minibatch.
  int64_t slots_in_a_row = 1;
};

// Bound to one thread.
class CreditGranter {
 public:
  using ProducerKey = std::pair<uint32_t, uint32_t>;  // index, incarnation
  struct Grant {
    ProducerKey producer;
    Credit credit;
  };

  explicit CreditGranter(CreditPlan plan) : plan_(plan) {}

  // A trainer group has formed: earlier credits are void. `batch` is the next to be trained, at
  // `version`.
  void Begin(uint64_t epoch, uint64_t batch, uint64_t version);
  // `batch` is the next to be trained; all before it are done.
  void Advance(uint64_t batch);

  // Credits to hand out now: one at a time around the producers with unmet demand.
  std::vector<Grant> Next(const std::vector<ProducerStatus>& producers);
  // The transport did not take it.
  void Undo(const Grant& grant);

  // The segment of this credit arrived.
  void Fulfilled(ProducerKey producer, const Credit& credit);
  // The segment of this credit of a producer arrived and cannot be used: somebody must replace it.
  void Return(ProducerKey producer, const Credit& credit);
  // The same, at another rank, which does not say whose it was.
  void Return(const Credit& credit);
  // The producer is gone. `received` lists the (batch, place) of its segments that other ranks
  // have; everything else it was granted is granted again.
  void ProducerLost(ProducerKey producer, std::map<std::pair<uint64_t, uint32_t>, int> received);

  // What tells the credits of a batch apart: the slot or, if there are none, the rank.
  uint32_t PlaceOf(const Credit& credit) const { return plan_.slots ? credit.slot : credit.rank; }
  // The credit of this epoch for a segment of `batch`.
  Credit Make(uint64_t batch, uint32_t place) const;
  // Credits granted and not yet fulfilled or returned.
  size_t outstanding() const;

 private:
  void Release();  // adds the credits of every batch that may begin now
  // fixed_producers: takes the credit of this producer's next turn out of ready_; null if it has
  // had its share.
  std::optional<Credit> TakeShare(ProducerKey producer, size_t place);
  uint64_t VersionOf(uint64_t batch) const { return first_version_ + (batch - first_batch_); }

  const CreditPlan plan_;
  uint64_t epoch_ = 0;
  uint64_t first_batch_ = 0;  // of this epoch, and the version it is trained at
  uint64_t first_version_ = 0;
  uint64_t next_batch_ = 0;   // to be trained
  uint64_t released_ = 0;     // batches below this have their credits in ready_ or beyond
  std::deque<Credit> ready_;  // ordered by batch
  std::map<ProducerKey, std::vector<Credit>> granted_;
  // fixed_producers: granted so far, per batch.
  std::map<std::pair<uint64_t, ProducerKey>, int64_t> share_;
};

}  // namespace millrace
