// The consuming end of a sample stream over ZeroMQ.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "net/endpoint_directory.h"
#include "net/zmq_loop.h"
#include "streams/factory.h"
#include "streams/zmq/aligned_buffer.h"
#include "streams/zmq/sample_inbox.h"

namespace millrace {

// The loop's thread receives into buffers and sends acknowledgements and credits; the owner's
// thread takes and disposes. They meet in the fields guarded by mutex_.
class ZmqSampleConsumer final : public SampleConsumer, private ZmqHandler {
 public:
  static absl::StatusOr<std::unique_ptr<ZmqSampleConsumer>> Create(const StreamContext& context,
                                                                   const SampleStreamSpec& spec);
  ~ZmqSampleConsumer() override;

  const Layout& layout() const override { return layout_; }
  std::optional<ReceivedSegment> Receive() override;
  // The producers' slots are freed by the next call, when the owner's ledger has what this one
  // returned.
  std::vector<RefusedSegment> TakeRefused() override;
  void Dispose(const ReceivedSegment& segment) override;
  std::vector<ProducerStatus> Producers() override;
  bool Grant(uint32_t producer, uint32_t incarnation, const Credit& credit) override;
  void Forget(uint32_t producer, uint32_t incarnation) override;

 private:
  using Key = std::pair<uint32_t, uint32_t>;  // producer, incarnation
  ZmqSampleConsumer(const StreamContext& context, const SampleStreamSpec& spec);

  // On the loop's thread.
  absl::Status OnStart(ZmqContext& context) override;
  std::vector<Awaited> Sockets() override { return {{.socket = socket_.get()}}; }
  void OnFrame(ZmqSocket& socket, ZmqFrame& frame) override;
  void OnTurn() override;
  void OnStop() override { socket_.reset(); }
  WireFault Handle(const WireMessage& message, std::string_view peer);
  WireFault OnHello(const WireMessage& message, std::string_view peer);
  WireFault OnState(const WireMessage& message, std::string_view peer, bool leaving);
  WireFault OnSegment(const WireMessage& message, std::string_view peer);
  void Refuse(std::string_view peer, std::string_view reason);
  std::string Mismatch(const SampleHello& hello) const;
  std::optional<DropReason> Fault(const SampleSegment& segment, const WireMessage& message) const;
  AlignedBuffer TakeBuffer();
  void Ring() {
    if (bell_ != nullptr) bell_->Ring();
  }
  bool Unpack(std::span<const std::byte> from, size_t snapshot_bytes, AlignedBuffer& to);
  void Deliver(const SampleSegment& segment, AlignedBuffer buffer, std::optional<DropReason> fault);

  bool Connected(const Key& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(uint64_t handle) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Constant after construction.
  const SampleStreamSpec spec_;
  const Layout layout_;
  const uint32_t rank_;
  const uint64_t session_;
  const std::string bind_host_;
  Doorbell* const bell_;

  // Bound to the loop's thread.
  const std::unique_ptr<ObservationCodec> codec_;  // null: payloads travel as they are
  std::unique_ptr<ZmqSocket> socket_;
  std::string endpoint_;
  WireFaultCounts faults_;

  Mutex mutex_;
  std::map<Key, SampleInbox> lanes_ ABSL_GUARDED_BY(mutex_);
  std::set<Key> forgotten_ ABSL_GUARDED_BY(mutex_);
  std::deque<ReceivedSegment> ready_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, AlignedBuffer> buffers_ ABSL_GUARDED_BY(mutex_);  // by handle
  std::vector<AlignedBuffer> spare_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_handle_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<RefusedSegment> refused_ ABSL_GUARDED_BY(mutex_);
  std::vector<RefusedSegment> reported_ ABSL_GUARDED_BY(mutex_);  // by the last TakeRefused()

  std::unique_ptr<EndpointAnnouncement> announcement_;
  std::unique_ptr<ZmqLoop> loop_;
};

}  // namespace millrace
