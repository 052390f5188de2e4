// A parameter server over gRPC: trainers push into cells, one per policy; each subscription waits
// on its cell.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <map>
#include <utility>

#include "millrace/core/status.h"
#include "net/bind_address.h"
#include "net/endpoint_directory.h"
#include "streams/grpc/weight_cell.h"
#include "streams/grpc/weight_chunks.h"
#include "streams/grpc/weight_factory.h"
#include "weights.grpc.pb.h"

namespace millrace {
namespace {

// How soon a handler notices that its caller has gone.
constexpr auto kGlance = std::chrono::milliseconds(200);
constexpr auto kShutdownPatience = std::chrono::seconds(1);

// Thread-safe: its methods run on gRPC's threads.
class WeightService final : public weights::Weights::Service {
 public:
  explicit WeightService(const std::vector<WeightSpec>& specs) {
    for (const WeightSpec& spec : specs) policies_[spec.policy].spec = spec;
  }

  grpc::Status Push(grpc::ServerContext*, grpc::ServerReader<weights::Chunk>* reader,
                    weights::PushReply* reply) override {
    weights::Chunk chunk;
    if (!reader->Read(&chunk)) return ToGrpc(absl::DataLossError("weights: nothing was pushed"));
    Policy* policy = Find(chunk.header().policy());
    if (policy == nullptr) return Unknown(chunk.header().policy());
    WeightAssembler assembler(policy->spec);
    do {
      if (absl::Status status = assembler.Add(chunk); !status.ok()) return ToGrpc(status);
    } while (reader->Read(&chunk));
    WeightBlobPtr blob = assembler.Take();
    if (blob == nullptr) return ToGrpc(absl::DataLossError("weights: the push ended early"));
    const auto replaced = policy->cell.Offer(policy->spec, std::move(blob));
    if (!replaced.ok()) return ToGrpc(replaced.status());
    if (*replaced) received_.fetch_add(1);
    const WeightVersion held = policy->cell.version();
    reply->set_epoch(held.epoch);
    reply->set_version(held.version);
    return grpc::Status::OK;
  }

  grpc::Status Subscribe(grpc::ServerContext* context, const weights::Subscription* subscription,
                         grpc::ServerWriter<weights::Chunk>* writer) override {
    Policy* policy = Find(subscription->policy());
    if (policy == nullptr) return Unknown(subscription->policy());
    if (subscription->layout_hash() != policy->spec.layout_hash ||
        subscription->total_bytes() != policy->spec.bytes) {
      return ToGrpc(absl::InvalidArgumentError("weights: the reader has another layout"));
    }
    WeightVersion have{subscription->epoch(), subscription->version()};
    while (!context->IsCancelled() && !policy->cell.closed()) {
      const WeightBlobPtr blob = policy->cell.WaitNewer(have, After(kGlance));
      if (blob == nullptr) continue;
      have = blob->version;
      const auto write = [&](const weights::Chunk& chunk) { return writer->Write(chunk); };
      if (!WriteChunks(policy->spec, *blob, write)) break;
    }
    return ToGrpc(absl::UnavailableError("weights: this parameter server is going"));
  }

  WeightVersion Held(const std::string& name) const {
    const auto found = policies_.find(name);
    return found == policies_.end() ? WeightVersion{} : found->second.cell.version();
  }
  uint64_t received() const { return received_.load(); }
  void Close() {
    for (auto& [name, policy] : policies_) policy.cell.Close();
  }

 private:
  struct Policy {
    WeightSpec spec;
    WeightCell cell;
  };
  Policy* Find(const std::string& name) {
    const auto found = policies_.find(name);
    return found == policies_.end() ? nullptr : &found->second;
  }
  static grpc::Status Unknown(const std::string& policy) {
    return ToGrpc(absl::InvalidArgumentError(
        absl::StrCat("weights: not a policy of this run: \"", policy.substr(0, 64), "\"")));
  }

  std::map<std::string, Policy> policies_;  // the keys are constant after construction
  std::atomic<uint64_t> received_{0};
};

class GrpcWeightServer final : public WeightServer {
 public:
  explicit GrpcWeightServer(const std::vector<WeightSpec>& specs) : service_(specs) {}
  ~GrpcWeightServer() override {
    announcement_.reset();
    service_.Close();
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + kShutdownPatience);
    server_->Wait();
  }

  absl::Status Start(const StreamContext& context) {
    MILLRACE_RETURN_IF_ERROR(CheckLoopback(context.bind_host));
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat(context.bind_host, ":0"),
                             grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.SetMaxSendMessageSize(kMaxMessageBytes);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 5000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 2000);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return absl::InternalError(absl::StrCat("cannot listen on ", context.bind_host));
    }
    MILLRACE_ASSIGN_OR_RETURN(announcement_,
                              EndpointAnnouncement::Create(
                                  context.names, absl::StrCat("weight/server/", context.index),
                                  context.incarnation, absl::StrCat(context.bind_host, ":", port)));
    return absl::OkStatus();
  }

  WeightVersion Held(const std::string& policy) const override { return service_.Held(policy); }
  uint64_t received() const override { return service_.received(); }

 private:
  WeightService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<EndpointAnnouncement> announcement_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightServer>> MakeGrpcWeightServer(
    const StreamContext& context, const std::vector<WeightSpec>& specs) {
  auto server = std::make_unique<GrpcWeightServer>(specs);
  MILLRACE_RETURN_IF_ERROR(server->Start(context));
  return server;
}

}  // namespace millrace
