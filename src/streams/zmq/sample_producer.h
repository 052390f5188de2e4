// The producing end of a sample stream over ZeroMQ.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/mutex.h"
#include "net/endpoint_directory.h"
#include "net/zmq_loop.h"
#include "streams/factory.h"
#include "streams/zmq/aligned_buffer.h"
#include "streams/zmq/sample_outbox.h"

namespace millrace {

// Owns the slots, in private memory. The owner's thread fills them; the loop's thread has one
// socket per consumer rank, sends what is committed and frees what is acknowledged. They meet in
// the fields guarded by mutex_. The bytes of a slot belong to the owner while it is open and to the
// loop, which only reads them, while it is committed.
class ZmqSampleProducer final : public SampleProducer, private ZmqHandler {
 public:
  static constexpr int kMaxSlots = 4096;
  static constexpr uint32_t kMaxRanks = 1 << 16;
  // kInvalidArgument unless there are 1 to kMaxSlots slots.
  static absl::StatusOr<std::unique_ptr<ZmqSampleProducer>> Create(const StreamContext& context,
                                                                   const SampleStreamSpec& spec,
                                                                   int slots);
  ~ZmqSampleProducer() override;

  const Layout& layout() const override { return layout_; }
  void Want(int count) override;
  std::optional<Credit> TryCredit() override;
  std::optional<OpenSegment> Begin(const Credit& credit) override;
  absl::Status Commit(const OpenSegment& segment, SegmentHeader header) override;
  void Abandon(const OpenSegment& segment) override;
  int unacknowledged() const override;

 private:
  enum class Phase : uint8_t { kFree, kOpen, kCommitted };
  struct Slot {
    AlignedBuffer buffer;            // payload, then snapshot
    std::vector<std::byte> encoded;  // what is sent, if observations are encoded
    Phase phase = Phase::kFree;
    uint32_t rank = 0;
    SegmentHeader header;
  };
  struct Lane {
    int ledger_lane = -1;
    uint64_t committed = 0;  // without a ledger
    uint64_t open = 0;       // slots begun
    SampleOutbox outbox;
  };
  // The way to one rank's consumer.
  struct Link {
    NamedEndpoint endpoint;
    std::unique_ptr<ZmqSocket> socket;
    Clock::time_point next_hello{};
    bool refused = false;
    bool blocked = false;  // something could not be sent
  };

  ZmqSampleProducer(const StreamContext& context, const SampleStreamSpec& spec, int slots);

  // On the loop's thread.
  absl::Status OnStart(ZmqContext& context) override;
  std::vector<Awaited> Sockets() override;
  void OnFrame(ZmqSocket& socket, ZmqFrame& frame) override;
  void OnTurn() override;
  void OnStop() override;
  WireFault Handle(const WireMessage& message, uint32_t rank, Link& link);
  WireFault OnAck(const WireMessage& message, uint32_t rank);
  WireFault OnCredit(const WireMessage& message, uint32_t rank);
  void RefreshLinks();
  void OpenLink(const NamedEndpoint& endpoint);
  void SendHello(uint32_t rank, Link& link, Clock::time_point now);
  void SendWant();
  void SendSegments(uint32_t rank, Link& link);
  // What travels of a committed slot: its payload, as encoded if it is, and its snapshot.
  struct Outgoing {
    SegmentHeader header;
    std::span<const std::byte> payload, snapshot;
  };
  Outgoing TakeOutgoing(int slot, bool again);
  absl::Status SendSegment(uint32_t rank, ZmqSocket& socket, const SampleOutbox::Due& due);

  SampleProducerState State(uint32_t rank) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<uint64_t> NextSequence(uint32_t rank, Lane& lane)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  SegmentHeader Complete(SegmentHeader header, const Credit& credit, uint64_t sequence) const;
  void Ring() {
    if (bell_ != nullptr) bell_->Ring();
  }

  // Constant after construction.
  const SampleStreamSpec spec_;
  const Layout layout_;
  const uint32_t index_;
  const uint32_t incarnation_;
  const std::string prefix_;  // of the consumers' names
  NameService* const names_;
  Doorbell* const bell_;
  Ledger* const ledger_;

  // Bound to the loop's thread.
  const std::unique_ptr<ObservationCodec> codec_;  // null: payloads travel as they are
  ZmqContext* context_ = nullptr;
  std::optional<uint64_t> revision_;
  std::map<uint32_t, Link> links_;  // by rank
  WireFaultCounts faults_;

  mutable Mutex mutex_;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, Lane> lanes_ ABSL_GUARDED_BY(mutex_);  // by rank
  std::deque<Credit> credits_ ABSL_GUARDED_BY(mutex_);
  uint64_t newest_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;           // since the start
  uint64_t credits_before_ ABSL_GUARDED_BY(mutex_) = 0;   // received from earlier sessions
  uint64_t session_credits_ ABSL_GUARDED_BY(mutex_) = 0;  // received from the present one
  bool want_due_ ABSL_GUARDED_BY(mutex_) = false;

  std::unique_ptr<ZmqLoop> loop_;
};

}  // namespace millrace
