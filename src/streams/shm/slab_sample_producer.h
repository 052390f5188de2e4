// The producing end of a sample stream over a slab.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "streams/factory.h"
#include "streams/sample_stream.h"
#include "streams/shm/peers.h"
#include "streams/shm/sample_slab.h"
#include "streams/shm/slab_store.h"

namespace millrace {

// Owns the slab. It stays behind when segments in it have not been disposed of: the consumer
// removes it in Forget().
class SlabSampleProducer final : public SampleProducer {
 public:
  // kInvalidArgument if `slots` is not positive.
  static absl::StatusOr<std::unique_ptr<SlabSampleProducer>> Create(
      const StreamContext& context, const SampleStreamSpec& spec, int slots,
      std::unique_ptr<SlabStore> store);
  ~SlabSampleProducer() override;

  const Layout& layout() const override { return layout_; }
  void Want(int count) override;
  std::optional<Credit> TryCredit() override;
  std::optional<OpenSegment> Begin(const Credit& credit) override;
  absl::Status Commit(const OpenSegment& segment, SegmentHeader header) override;
  void Abandon(const OpenSegment& segment) override;
  int unacknowledged() const override;

 private:
  struct Consumer {
    Peer peer;
    std::unique_ptr<PeerBell> bell;
  };
  struct Lane {
    int ledger_lane = -1;
    uint64_t committed = 0;  // without a ledger
  };

  SlabSampleProducer(const StreamContext& context, const SampleStreamSpec& spec,
                     std::unique_ptr<SlabStore> store, SampleSlab slab,
                     std::unique_ptr<PeerList> consumer_list);
  void RefreshConsumers();
  void Ring(uint32_t rank);
  absl::StatusOr<Lane*> FindLane(uint32_t rank);
  uint64_t NextSequence(Lane& lane);
  SegmentHeader Complete(SegmentHeader header, const Credit& credit, uint64_t sequence) const;

  const SampleStreamSpec spec_;
  const Layout layout_;
  Ledger* const ledger_;
  const std::unique_ptr<SlabStore> store_;
  const std::string slab_name_;
  const SampleSlab slab_;
  const std::unique_ptr<PeerList> consumer_list_;
  std::map<uint32_t, Consumer> consumers_;  // by rank
  std::map<uint32_t, Lane> lanes_;          // by rank
  uint64_t newest_epoch_ = 0;
  uint64_t commits_ = 0;
  std::unique_ptr<Announcement> announcement_;  // last: gone before the slab
};

}  // namespace millrace
