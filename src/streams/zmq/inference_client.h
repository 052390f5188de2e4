// The asking end of an inference stream over ZeroMQ.
#pragma once

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
#include "streams/zmq/inference_messages.h"

namespace millrace {

// The loop's thread has one socket per server, sends posted requests, takes replies and moves
// requests from dead or late servers to others. A group's request bytes belong to the owner while
// the group is idle and to the loop, which only reads them, while it waits; only the loop ends the
// waiting.
class ZmqInferenceClient final : public InferenceClient, private ZmqHandler {
 public:
  // kInvalidArgument if there are no groups.
  static absl::StatusOr<std::unique_ptr<ZmqInferenceClient>> Create(
      const StreamContext& context, const InferenceSpec& spec,
      const InferenceClientOptions& options);
  ~ZmqInferenceClient() override;

  const Layout& request_layout() const override { return request_layout_; }
  const Layout& reply_layout() const override { return reply_layout_; }
  std::byte* RequestPayload(int group) override;
  absl::Status Post(int group, RequestHeader header) override;
  std::optional<Reply> TryReply(int group) override;
  absl::Status Maintain() override;

 private:
  enum class Phase : uint8_t { kIdle, kWaiting, kAnswered };
  struct Group {
    Phase phase = Phase::kIdle;
    uint64_t last_id = 0;
    RequestHeader request;
    size_t request_bytes = 0;  // whole or compact
    ReplyHeader reply;
    std::optional<uint32_t> server;  // sticky
    bool sent = false;               // to `server`
    bool again = false;              // sent to some server before
    Deadline deadline;
  };
  // The way to one server.
  struct Link {
    NamedEndpoint endpoint;
    std::unique_ptr<ZmqSocket> socket;
    bool up = false;
    bool refused = false;
    Clock::time_point changed{};  // when `up` last changed
    Clock::time_point next_hello{};
  };

  ZmqInferenceClient(const StreamContext& context, const InferenceSpec& spec,
                     const InferenceClientOptions& options);
  bool IsCompact(int group, const RequestHeader& header);

  // On the loop's thread.
  absl::Status OnStart(ZmqContext& context) override;
  std::vector<Awaited> Sockets() override;
  void OnFrame(ZmqSocket& socket, ZmqFrame& frame) override;
  void OnTurn() override;
  void OnStop() override;
  WireFault Handle(const WireMessage& message, Link& link);
  WireFault OnReply(const WireMessage& message);
  void OnRefuse(const WireMessage& message, Link& link);
  void RefreshLinks();
  void OpenLink(const NamedEndpoint& endpoint);
  void CheckLinks(Clock::time_point now);
  void ForgetSent(uint32_t server);
  void SendHellos(Clock::time_point now);
  void SendRequests(Clock::time_point now);
  void SendRequest(int group, Link& link);
  bool AnyUp() const;
  bool MustMove(const Group& group, Clock::time_point now) const;
  std::optional<uint32_t> ChooseServer(int group, const Group& state) const;

  void Ring() {
    if (bell_ != nullptr) bell_->Ring();
  }

  // Constant after construction.
  const InferenceSpec spec_;
  const Layout request_layout_;
  const Layout reply_layout_;
  const size_t compact_bytes_;
  const uint64_t fingerprint_;
  const uint32_t index_;
  const uint32_t incarnation_;
  const InferenceClientOptions options_;
  const std::string prefix_;  // of the servers' names
  NameService* const names_;
  Doorbell* const bell_;
  Ledger* const ledger_;
  std::vector<AlignedBuffer> requests_;  // by group; the bytes change hands, see above
  std::vector<AlignedBuffer> replies_;

  // Bound to the loop's thread.
  ZmqContext* context_ = nullptr;
  std::optional<uint64_t> revision_;
  std::map<uint32_t, Link> links_;  // by index of the server
  WireFaultCounts faults_;

  Mutex mutex_;
  std::vector<Group> groups_ ABSL_GUARDED_BY(mutex_);
  std::optional<Clock::time_point> alone_since_ ABSL_GUARDED_BY(mutex_);  // no server is there
  std::string refusal_ ABSL_GUARDED_BY(mutex_);                           // the last one

  std::unique_ptr<ZmqLoop> loop_;
};

}  // namespace millrace
