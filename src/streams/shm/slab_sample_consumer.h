// The consuming end of a sample stream over the slabs of its producers.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "streams/factory.h"
#include "streams/sample_stream.h"
#include "streams/shm/peers.h"
#include "streams/shm/sample_slab.h"
#include "streams/shm/slab_store.h"

namespace millrace {

// A slab stays attached after its producer is gone, until Forget() and until the last segment
// received from it is disposed of.
class SlabSampleConsumer final : public SampleConsumer {
 public:
  static absl::StatusOr<std::unique_ptr<SlabSampleConsumer>> Create(
      const StreamContext& context, const SampleStreamSpec& spec, std::unique_ptr<SlabStore> store);

  const Layout& layout() const override { return layout_; }
  std::optional<ReceivedSegment> Receive() override;
  std::vector<RefusedSegment> TakeRefused() override { return std::exchange(refused_, {}); }
  void Dispose(const ReceivedSegment& segment) override;
  std::vector<ProducerStatus> Producers() override;
  bool Grant(uint32_t producer, uint32_t incarnation, const Credit& credit) override;
  void Forget(uint32_t producer, uint32_t incarnation) override;

 private:
  using Key = std::pair<uint32_t, uint32_t>;  // producer, incarnation
  struct Source {
    SampleSlab slab;
    std::unique_ptr<PeerBell> bell;
    bool connected = false;  // its name is there
    bool forgotten = false;
    uint64_t granted_before = 0;  // by earlier consumers
    uint64_t scanned = 0;         // commits seen by the last scan
    std::deque<int> ready = {};   // slots, in the order of their commits
    std::vector<uint64_t> taken =
        {};           // per slot: the state word delivered and not disposed of, or 0
    int in_hand = 0;  // segments received and not disposed of
  };

  SlabSampleConsumer(const StreamContext& context, const SampleStreamSpec& spec,
                     std::unique_ptr<SlabStore> store, std::unique_ptr<PeerList> producer_list);
  void RefreshProducers();
  void Attach(const Key& key, const Peer& peer);
  void Scan(Source& source);
  std::optional<ReceivedSegment> TakeReady(const Key& key, Source& source);
  bool Matches(const SegmentHeader& header, const Source& source) const;
  // Why a committed segment cannot be used.
  std::optional<DropReason> Fault(const SegmentHeader& header, const Source& source,
                                  int slot) const;
  void Free(Source& source, int slot);

  const SampleStreamSpec spec_;
  const Layout layout_;
  const uint32_t rank_;
  const uint32_t incarnation_;
  const std::unique_ptr<SlabStore> store_;
  const std::unique_ptr<PeerList> producer_list_;
  std::map<Key, Source> sources_;
  std::set<Key> rejected_;  // forgotten, or slabs that do not fit: never attached again
  Key last_served_{0, 0};
  std::vector<RefusedSegment> refused_;
  std::unique_ptr<Announcement> announcement_;
};

}  // namespace millrace
