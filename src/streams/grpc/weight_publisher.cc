// A trainer's end over gRPC. Publish() puts the version into a cell; one link (thread, channel) per
// parameter server pushes what is newest, so a server that hangs delays no other.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "core/thread_name.h"
#include "millrace/core/status.h"
#include "net/endpoint_directory.h"
#include "streams/grpc/stoppable_sleep.h"
#include "streams/grpc/weight_cell.h"
#include "streams/grpc/weight_chunks.h"
#include "streams/grpc/weight_factory.h"
#include "weights.grpc.pb.h"

namespace millrace {
namespace {

constexpr auto kPushDeadline = std::chrono::seconds(10);
constexpr auto kNamesPoll = std::chrono::milliseconds(50);
constexpr auto kWaitNewer = std::chrono::seconds(1);
constexpr Clock::duration kFirstBackoff = std::chrono::milliseconds(50);
constexpr Clock::duration kLongestBackoff = std::chrono::seconds(1);

// What the links and the trainer's thread share. Thread-safe.
class PublisherState {
 public:
  explicit PublisherState(WeightSpec weight_spec) : spec(std::move(weight_spec)) {}
  const WeightSpec spec;
  WeightCell cell;

  // Why Publish() must fail from now on; OK if it need not.
  absl::Status verdict() const {
    MutexLock lock(mutex_);
    return verdict_;
  }
  // A server refused this epoch, or the layout; a later epoch may be tried again.
  void Refused(WeightVersion version, const absl::Status& status) {
    MutexLock lock(mutex_);
    if (verdict_.ok()) verdict_ = status;
    refused_epoch_ = std::max(refused_epoch_, version.epoch);
  }
  void Entering(uint64_t epoch) {
    MutexLock lock(mutex_);
    if (epoch > refused_epoch_) verdict_ = absl::OkStatus();
  }

 private:
  mutable Mutex mutex_;
  absl::Status verdict_ ABSL_GUARDED_BY(mutex_);
  uint64_t refused_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
};

class ServerLink {
 public:
  ServerLink(PublisherState& state, const NamedEndpoint& endpoint)
      : endpoint_(endpoint),
        state_(state),
        stub_(weights::Weights::NewStub(grpc::CreateCustomChannel(
            endpoint.endpoint, grpc::InsecureChannelCredentials(), WeightChannelArguments()))),
        thread_([this](const std::stop_token& stop) { Run(stop); }) {}
  const NamedEndpoint& endpoint() const { return endpoint_; }
  void RequestStop() { thread_.request_stop(); }

 private:
  void Run(const std::stop_token& stop) {
    SetThreadName("weight-push");
    WeightVersion pushed;
    Clock::duration backoff = kFirstBackoff;
    while (!stop.stop_requested() && !state_.cell.closed()) {
      const WeightBlobPtr blob = state_.cell.WaitNewer(pushed, After(kWaitNewer));
      if (blob == nullptr) continue;
      const absl::Status status = Push(stop, *blob);
      if (status.ok()) {
        pushed = blob->version;
        backoff = kFirstBackoff;
      } else if (absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status)) {
        pushed = blob->version;  // there is no sense in repeating this one
        state_.Refused(blob->version, status);
      } else if (!stop.stop_requested()) {
        spdlog::debug("weights of policy {}: parameter server {}: {}", state_.spec.policy,
                      endpoint_.number, std::string(status.message()));
        StoppableSleep(stop, backoff);
        backoff = std::min(backoff * 2, kLongestBackoff);
      }
    }
  }

  absl::Status Push(const std::stop_token& stop, const WeightBlob& blob) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPushDeadline);
    const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
    weights::PushReply reply;
    const auto writer = stub_->Push(&context, &reply);
    // If a write fails, Finish() says why.
    if (WriteChunks(state_.spec, blob, [&](const auto& chunk) { return writer->Write(chunk); })) {
      writer->WritesDone();
    }
    return FromGrpc(writer->Finish());
  }

  const NamedEndpoint endpoint_;
  PublisherState& state_;
  const std::unique_ptr<weights::Weights::Stub> stub_;
  std::jthread thread_;
};

class GrpcWeightPublisher final : public WeightPublisher {
 public:
  GrpcWeightPublisher(NameService& names, const WeightSpec& spec)
      : names_(names), state_(spec), thread_([this](const std::stop_token& stop) { Run(stop); }) {}
  ~GrpcWeightPublisher() override {
    thread_.request_stop();
    state_.cell.Close();
  }

  absl::Status Publish(WeightVersion version, std::span<const std::byte> blob) override {
    MILLRACE_RETURN_IF_ERROR(CheckBlobSize(state_.spec, blob.size()));
    state_.Entering(version.epoch);
    MILLRACE_RETURN_IF_ERROR(state_.verdict());
    return state_.cell.Offer(state_.spec, CopyBlob(version, blob)).status();
  }

 private:
  // Keeps one link for every parameter server there is.
  void Run(const std::stop_token& stop) {
    SetThreadName("weight-links");
    std::map<uint32_t, std::unique_ptr<ServerLink>> links;
    std::optional<uint64_t> revision;
    while (!stop.stop_requested()) {
      if (const uint64_t now = names_.revision(); revision != now) {
        revision = now;
        Update(links);
      }
      StoppableSleep(stop, kNamesPoll);
    }
    for (auto& [index, link] : links) link->RequestStop();  // all at once, then one by one
  }

  void Update(std::map<uint32_t, std::unique_ptr<ServerLink>>& links) {
    const std::vector<NamedEndpoint> servers = ListEndpoints(names_, "weight/server/");
    std::erase_if(links, [&](const auto& entry) {
      return std::find(servers.begin(), servers.end(), entry.second->endpoint()) == servers.end();
    });
    for (const NamedEndpoint& server : servers) {
      auto& link = links[server.number];
      if (link == nullptr) link = std::make_unique<ServerLink>(state_, server);
    }
  }

  NameService& names_;
  PublisherState state_;
  std::jthread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightPublisher>> MakeGrpcWeightPublisher(
    const StreamContext& context, const WeightSpec& spec) {
  MILLRACE_RETURN_IF_ERROR(context.names->Watch("weight/server/", nullptr));
  return std::make_unique<GrpcWeightPublisher>(*context.names, spec);
}

}  // namespace millrace
