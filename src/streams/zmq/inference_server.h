// The answering end of an inference stream over ZeroMQ.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "net/endpoint_directory.h"
#include "net/zmq_loop.h"
#include "streams/factory.h"
#include "streams/zmq/aligned_buffer.h"
#include "streams/zmq/inference_messages.h"

namespace millrace {

// The loop's thread receives requests and sends replies; the owner's thread collects and responds.
// An exchange (one request with its reply) belongs to the loop until it has arrived whole, to the
// owner from Collect() to Respond(), then to the loop again, which keeps it to answer a repeated
// request.
class ZmqInferenceServer final : public InferenceServer, private ZmqHandler {
 public:
  static absl::StatusOr<std::unique_ptr<ZmqInferenceServer>> Create(const StreamContext& context,
                                                                    const InferenceSpec& spec);
  ~ZmqInferenceServer() override;

  const Layout& request_layout() const override { return request_layout_; }
  const Layout& reply_layout() const override { return reply_layout_; }
  void Collect(std::vector<PendingRequest>& requests) override;
  void Respond(const PendingRequest& request, ReplyHeader header) override;
  void Flush() override { loop_->Wake(); }
  std::vector<std::pair<uint32_t, uint32_t>> TakeGoneClients() override;

 private:
  using Key = std::pair<uint32_t, uint32_t>;  // client, incarnation
  struct Exchange {
    RequestHeader header;
    bool compact = false;
    bool answered = false;
    Clock::time_point arrived{};
    ReplyHeader reply_header;
    AlignedBuffer request, reply;
  };
  using ExchangePtr = std::shared_ptr<Exchange>;
  struct Client {
    std::string peer;  // routing id
    Clock::time_point last_heard{};
    std::map<uint32_t, ExchangePtr> groups;  // the newest exchange of each
  };

  ZmqInferenceServer(const StreamContext& context, const InferenceSpec& spec);

  // On the loop's thread.
  absl::Status OnStart(ZmqContext& context) override;
  std::vector<Awaited> Sockets() override { return {{.socket = socket_.get()}}; }
  void OnFrame(ZmqSocket& socket, ZmqFrame& frame) override;
  void OnTurn() override;
  void OnStop() override { socket_.reset(); }
  WireFault Handle(const WireMessage& message, std::string_view peer);
  WireFault OnHello(const WireMessage& message, std::string_view peer);
  WireFault OnBye(const WireMessage& message);
  WireFault OnRequest(const WireMessage& message, std::string_view peer);
  void Refuse(std::string_view peer, uint64_t fingerprint);
  void SendReplies();
  void DropSilentClients();
  ExchangePtr NewExchange(const RequestHeader& header, std::string_view peer);

  Client& Heard(const Key& key, std::string_view peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Drop(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Ring() {
    if (bell_ != nullptr) bell_->Ring();
  }

  // Constant after construction.
  const InferenceSpec spec_;
  const Layout request_layout_;
  const Layout reply_layout_;
  const size_t compact_bytes_;
  const uint64_t fingerprint_;
  const std::string bind_host_;
  Doorbell* const bell_;

  // Bound to the loop's thread.
  std::unique_ptr<ZmqSocket> socket_;
  std::string endpoint_;
  WireFaultCounts faults_;

  Mutex mutex_;
  std::map<Key, Client> clients_ ABSL_GUARDED_BY(mutex_);
  std::vector<ExchangePtr> arrived_ ABSL_GUARDED_BY(mutex_);                   // to be collected
  std::unordered_map<uint64_t, ExchangePtr> in_hand_ ABSL_GUARDED_BY(mutex_);  // by handle
  uint64_t next_handle_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<ExchangePtr> answered_ ABSL_GUARDED_BY(mutex_);  // to be sent
  std::vector<Key> gone_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<EndpointAnnouncement> announcement_;
  std::unique_ptr<ZmqLoop> loop_;
};

}  // namespace millrace
