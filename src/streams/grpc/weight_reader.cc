// A reader over gRPC: one thread subscribes to one parameter server and goes to the next when the
// stream ends.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
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

// Every call has a deadline; a subscription that reaches it is renewed.
constexpr auto kSubscriptionDeadline = std::chrono::minutes(10);
constexpr Clock::duration kNamesPoll = std::chrono::milliseconds(50);
constexpr Clock::duration kFirstBackoff = std::chrono::milliseconds(50);
constexpr Clock::duration kLongestBackoff = std::chrono::seconds(1);

class GrpcWeightReader final : public WeightReader {
 public:
  GrpcWeightReader(const StreamContext& context, const WeightSpec& spec)
      : spec_(spec),
        names_(*context.names),
        bell_(context.bell),
        index_(context.index),
        thread_([this](const std::stop_token& stop) { Run(stop); }) {}

  WeightVersion Available() const override { return cell_.version(); }
  absl::StatusOr<WeightVersion> Read(std::span<std::byte> blob) override {
    MILLRACE_RETURN_IF_ERROR(CheckBlobSize(spec_, blob.size()));
    const WeightBlobPtr newest = cell_.newest();
    if (newest == nullptr) return absl::UnavailableError("no weights have arrived yet");
    std::memcpy(blob.data(), newest->bytes.data(), blob.size());
    return newest->version;
  }

 private:
  void Run(const std::stop_token& stop) {
    SetThreadName("weight-reader");
    Clock::duration backoff = kFirstBackoff;
    for (size_t attempt = 0; !stop.stop_requested(); ++attempt) {
      const uint64_t revision = names_.revision();
      const std::vector<NamedEndpoint> servers = ListEndpoints(names_, "weight/server/");
      const WeightVersion before = cell_.version();
      if (!servers.empty()) {
        const NamedEndpoint& server = servers[(index_ + attempt) % servers.size()];
        const absl::Status status = Subscribe(stop, server);
        spdlog::debug("weights of policy {}: parameter server {}: {}", spec_.policy, server.number,
                      std::string(status.message()));
      }
      if (cell_.version() != before) backoff = kFirstBackoff;  // that one was alive
      Wait(stop, backoff, revision);
      if (!servers.empty()) backoff = std::min(backoff * 2, kLongestBackoff);
    }
  }

  // Until `duration` has passed or somebody has come or gone.
  void Wait(const std::stop_token& stop, Clock::duration duration, uint64_t revision) {
    const Deadline end = After(duration);
    while (!stop.stop_requested() && !Expired(end) && names_.revision() == revision) {
      StoppableSleep(stop, std::min(kNamesPoll, duration));
    }
  }

  // Returns when the stream ends, with the reason.
  absl::Status Subscribe(const std::stop_token& stop, const NamedEndpoint& server) {
    const auto stub = weights::Weights::NewStub(grpc::CreateCustomChannel(
        server.endpoint, grpc::InsecureChannelCredentials(), WeightChannelArguments()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kSubscriptionDeadline);
    const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
    const WeightVersion have = cell_.version();
    weights::Subscription subscription;
    subscription.set_policy(spec_.policy);
    subscription.set_layout_hash(spec_.layout_hash);
    subscription.set_total_bytes(spec_.bytes);
    subscription.set_epoch(have.epoch);
    subscription.set_version(have.version);
    const auto reader = stub->Subscribe(&context, subscription);
    WeightAssembler assembler(spec_);
    weights::Chunk chunk;
    absl::Status damage;
    while (damage.ok() && reader->Read(&chunk)) {
      damage = assembler.Add(chunk);
      if (WeightBlobPtr blob = assembler.Take()) Receive(std::move(blob));
    }
    if (!damage.ok()) context.TryCancel();
    const grpc::Status finished = reader->Finish();
    return damage.ok() ? FromGrpc(finished) : damage;
  }

  void Receive(WeightBlobPtr blob) {
    // A server may be behind another one: what is older is left alone.
    const auto replaced = cell_.Offer(spec_, std::move(blob));
    if (replaced.ok() && *replaced && bell_ != nullptr) bell_->Ring();
  }

  const WeightSpec spec_;
  NameService& names_;
  Doorbell* const bell_;
  const uint32_t index_;
  WeightCell cell_;
  std::jthread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightReader>> MakeGrpcWeightReader(const StreamContext& context,
                                                                   const WeightSpec& spec) {
  MILLRACE_RETURN_IF_ERROR(context.names->Watch("weight/server/", nullptr));
  return std::make_unique<GrpcWeightReader>(context, spec);
}

}  // namespace millrace
