// The ends, by kind; what stands behind the dash has the figures:
//
//   inference-server, inference-client   - round trips
//   inference-threads                    - the same between two threads, in process
//   socket-server, socket-client         - round trips over bare ZeroMQ
//   sample-producer, sample-consumer     - bytes per second, every one written and read
//   weight-server, weight-reader,
//   weight-publisher                     - when each version was published, and copied by each
//   reader busy                                 keeps a processor from the others
#include "cli/millrace/stream_ends.h"

#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <time.h>
#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "control/control_client.h"
#include "core/mapped_file.h"
#include "core/run_paths.h"
#include "millrace/core/status.h"
#include "net/in_memory_name_service.h"
#include "streams/factory.h"

namespace millrace {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);
constexpr auto kMaintenance = std::chrono::milliseconds(100);
constexpr char kPolicy[] = "bench";
constexpr int kSampleSlots = 8;

double CpuSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double Microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

void WaitAt(Doorbell& bell, uint32_t seen, Deadline deadline, const StreamEndOptions& options) {
  if (!bell.Spin(seen, std::chrono::microseconds(options.spin_us))) bell.Wait(seen, deadline);
}

absl::Status WriteResult(const StreamEndOptions& options, const nlohmann::json& result) {
  std::ofstream file(options.result);
  file << result.dump();
  return file ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write " + options.result);
}

// `trip` over and over, each timed; the first tenth warms up.
template <typename Trip>
absl::StatusOr<nlohmann::json> MeasureTrips(int count, Trip trip) {
  std::vector<double> times;
  double cpu = 0;
  for (int number = -count / 10; number < count; ++number) {
    if (number == 0) {
      times.clear();
      cpu = CpuSeconds();
    }
    const Clock::time_point start = Clock::now();
    MILLRACE_RETURN_IF_ERROR(trip());
    times.push_back(Microseconds(Clock::now() - start));
  }
  cpu = CpuSeconds() - cpu;
  std::ranges::sort(times);
  const auto quantile = [&](double q) {
    return times[static_cast<size_t>(q * static_cast<double>(times.size() - 1))];
  };
  return nlohmann::json{{"p50", quantile(0.5)},
                        {"p99", quantile(0.99)},
                        {"cpu_us", 1e6 * cpu / static_cast<double>(times.size())}};
}

absl::StatusOr<Transport> TransportOf(const StreamEndOptions& options) {
  for (const Transport transport :
       {Transport::kInproc, Transport::kShm, Transport::kZmq, Transport::kGrpc}) {
    if (Name(transport) == options.transport) return transport;
  }
  return absl::InvalidArgumentError("unknown transport: " + options.transport);
}

// The process as a worker of the bench's controller.
class End {
 public:
  static absl::StatusOr<std::unique_ptr<End>> Join(const StreamEndOptions& options) {
    MILLRACE_ASSIGN_OR_RETURN(const Transport transport, TransportOf(options));
    std::unique_ptr<End> end(new End(options, transport));
    MILLRACE_ASSIGN_OR_RETURN(
        end->bell_file_,
        MappedFile::OpenOrCreate(end->paths_.bell(options.role, options.index), sizeof(Doorbell)));
    ControlClientOptions control;
    control.run_directory = options.run_directory;
    control.role = options.role;
    control.index = options.index;
    control.bell = &end->bell();
    MILLRACE_ASSIGN_OR_RETURN(end->control_, ControlClient::Connect(control));
    return end;
  }

  const StreamEndOptions& options() const { return options_; }
  Transport transport() const { return transport_; }
  Doorbell& bell() { return *bell_file_->At<Doorbell>(0); }
  ControlClient& control() { return *control_; }

  StreamContext context() {
    StreamContext context;
    context.names = control_.get();
    context.bell = &bell();
    context.bell_path = bell_file_->path();
    context.shm_directory = paths_.shm();
    context.index = options_.index;
    return context;
  }

  // Waits for `condition` as a worker would: it is looked at after each ring.
  absl::Status Await(const std::string& what, const std::function<bool()>& condition) {
    const Deadline deadline = After(kPatience);
    for (;;) {
      const uint32_t seen = bell().Value();
      if (condition()) return absl::OkStatus();
      if (Expired(deadline)) return absl::UnavailableError("waited in vain for " + what);
      WaitAt(bell(), seen, std::min(deadline, After(kMaintenance)), options_);
    }
  }

 private:
  End(const StreamEndOptions& options, Transport transport)
      : options_(options), transport_(transport), paths_(options.run_directory) {}

  const StreamEndOptions options_;
  const Transport transport_;
  const RunPaths paths_;
  std::unique_ptr<MappedFile> bell_file_;
  std::unique_ptr<ControlClient> control_;
};

// ---- inference ----

InferenceSpec RoundTripSpec(const StreamEndOptions& options) {
  InferenceSpec spec;
  spec.policy = kPolicy;
  spec.observation.fields = {{"observation", DType::kUInt8, {static_cast<int64_t>(options.bytes)}}};
  spec.action = ActionSpec::Discrete(2);
  spec.rows = 1;
  return spec;
}

void Answer(InferenceServer& server, std::vector<PendingRequest>& requests) {
  server.Collect(requests);
  for (const PendingRequest& request : requests) {
    std::memset(request.reply, 0, server.reply_layout().total_bytes());
    server.Respond(request, {.id = request.header.id, .version = 1});
  }
  server.Flush();
  requests.clear();
}

absl::Status ServeInference(End& end) {
  MILLRACE_ASSIGN_OR_RETURN(const auto server, MakeInferenceServer(end.transport(), end.context(),
                                                                   RoundTripSpec(end.options())));
  std::vector<PendingRequest> requests;
  while (end.control().command() < WorkerCommand::kDrain) {
    const uint32_t seen = end.bell().Value();
    Answer(*server, requests);
    WaitAt(end.bell(), seen, After(kMaintenance), end.options());
  }
  return absl::OkStatus();
}

absl::StatusOr<nlohmann::json> AskOverAndOver(InferenceClient& client, Doorbell& bell,
                                              const StreamEndOptions& options) {
  std::memset(client.RequestPayload(0), 1, options.bytes);
  return MeasureTrips(options.count, [&]() -> absl::Status {
    MILLRACE_RETURN_IF_ERROR(client.Post(0, {}));
    Deadline maintenance = After(kMaintenance);
    while (true) {
      const uint32_t seen = bell.Value();
      if (client.TryReply(0)) return absl::OkStatus();
      WaitAt(bell, seen, maintenance, options);
      if (!Expired(maintenance)) continue;
      MILLRACE_RETURN_IF_ERROR(client.Maintain());
      maintenance = After(kMaintenance);
    }
  });
}

InferenceClientOptions Patient() { return {.groups = 1, .patience = kPatience}; }

absl::Status AskInference(End& end) {
  MILLRACE_ASSIGN_OR_RETURN(
      const auto client,
      MakeInferenceClient(end.transport(), end.context(), RoundTripSpec(end.options()), Patient()));
  MILLRACE_ASSIGN_OR_RETURN(const auto result, AskOverAndOver(*client, end.bell(), end.options()));
  return WriteResult(end.options(), result);
}

absl::Status AskBetweenThreads(const StreamEndOptions& options) {
  Doorbell client_bell, server_bell;
  InMemoryNameService names;
  StreamContext context;
  context.names = &names;
  context.bell = &client_bell;
  MILLRACE_ASSIGN_OR_RETURN(
      const auto client,
      MakeInferenceClient(Transport::kInproc, context, RoundTripSpec(options), Patient()));
  context.bell = &server_bell;
  MILLRACE_ASSIGN_OR_RETURN(
      const auto server, MakeInferenceServer(Transport::kInproc, context, RoundTripSpec(options)));
  const std::jthread serving([&](const std::stop_token& stop) {
    std::vector<PendingRequest> requests;
    while (!stop.stop_requested()) {
      const uint32_t seen = server_bell.Value();
      Answer(*server, requests);
      WaitAt(server_bell, seen, After(kMaintenance), options);
    }
  });
  MILLRACE_ASSIGN_OR_RETURN(const auto result, AskOverAndOver(*client, client_bell, options));
  return WriteResult(options, result);
}

// ---- bare ZeroMQ ----

// A PAIR socket and its context.
class PairSocket {
 public:
  PairSocket() : context_(::zmq_ctx_new()), socket_(::zmq_socket(context_, ZMQ_PAIR)) {
    const int patience =
        static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(kPatience).count());
    const int linger = 0;
    ::zmq_setsockopt(socket_, ZMQ_RCVTIMEO, &patience, sizeof(patience));
    ::zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof(linger));
  }
  ~PairSocket() {
    ::zmq_close(socket_);
    ::zmq_ctx_term(context_);
  }
  PairSocket(const PairSocket&) = delete;
  PairSocket& operator=(const PairSocket&) = delete;
  void* get() const { return socket_; }

 private:
  void* const context_;
  void* const socket_;
};

std::string SocketAddress(const StreamEndOptions& options) {
  return "ipc://" + options.run_directory + "/socket";
}

absl::Status EchoSocket(const StreamEndOptions& options) {
  const PairSocket socket;
  if (::zmq_bind(socket.get(), SocketAddress(options).c_str()) != 0) {
    return absl::UnavailableError(fmt::format("cannot bind: {}", ::zmq_strerror(zmq_errno())));
  }
  std::vector<std::byte> message(options.bytes);
  while (::zmq_recv(socket.get(), message.data(), message.size(), 0) >= 0) {
    ::zmq_send(socket.get(), message.data(), message.size(), 0);
  }
  return absl::OkStatus();
}

absl::Status AskSocket(const StreamEndOptions& options) {
  const PairSocket socket;
  ::zmq_connect(socket.get(), SocketAddress(options).c_str());
  std::vector<std::byte> message(options.bytes);
  MILLRACE_ASSIGN_OR_RETURN(
      const auto result, MeasureTrips(options.count, [&] {
        ::zmq_send(socket.get(), message.data(), message.size(), 0);
        return ::zmq_recv(socket.get(), message.data(), message.size(), 0) >= 0
                   ? absl::OkStatus()
                   : absl::UnavailableError("waited in vain for the echo of a socket");
      }));
  return WriteResult(options, result);
}

// ---- samples ----

absl::StatusOr<SampleStreamSpec> PayloadSpec(const StreamEndOptions& options) {
  SampleStreamSpec spec;
  spec.policy = kPolicy;
  MILLRACE_ASSIGN_OR_RETURN(
      spec.schema,
      Schema::Create({{"payload", DType::kUInt8, {static_cast<int64_t>(options.bytes)}}}));
  spec.extents = {.steps = 1, .rows = 1};
  spec.environments = 1;
  spec.checksum = options.checksum;
  return spec;
}

absl::Status ProduceSamples(End& end) {
  MILLRACE_ASSIGN_OR_RETURN(const SampleStreamSpec spec, PayloadSpec(end.options()));
  MILLRACE_ASSIGN_OR_RETURN(const auto producer,
                            MakeSampleProducer(end.transport(), end.context(), spec, kSampleSlots));
  producer->Want(end.options().count);
  uint64_t number = 0;
  while (end.control().command() < WorkerCommand::kDrain) {
    std::optional<Credit> credit;
    std::optional<OpenSegment> segment;
    MILLRACE_RETURN_IF_ERROR(end.Await("a credit and a free slot", [&] {
      if (!credit) credit = producer->TryCredit();
      if (credit) segment = producer->Begin(*credit);
      return segment.has_value() || end.control().command() >= WorkerCommand::kDrain;
    }));
    if (!segment) break;
    const size_t words = producer->layout().total_bytes() / sizeof(uint64_t);
    std::fill_n(reinterpret_cast<uint64_t*>(segment->payload), words, ++number);
    MILLRACE_RETURN_IF_ERROR(producer->Commit(*segment, {}));
  }
  return absl::OkStatus();
}

uint64_t SumOfWords(const std::byte* bytes, size_t size) {
  uint64_t sum = 0;
  for (size_t i = 0; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, bytes + i, sizeof(word));
    sum += word;
  }
  return sum;
}

// Grants what is wanted, as a trainer of rank 0 would.
void GrantWanted(SampleConsumer& consumer) {
  for (const ProducerStatus& producer : consumer.Producers()) {
    for (uint64_t granted = producer.granted; granted < producer.wanted; ++granted) {
      if (!consumer.Grant(producer.producer, producer.incarnation, {.epoch = 1})) return;
    }
  }
}

absl::Status ConsumeSamples(End& end) {
  MILLRACE_ASSIGN_OR_RETURN(const SampleStreamSpec spec, PayloadSpec(end.options()));
  MILLRACE_ASSIGN_OR_RETURN(const auto consumer,
                            MakeSampleConsumer(end.transport(), end.context(), spec));
  const int count = end.options().count, warm = count / 4;
  Clock::time_point start;
  for (int number = 1; number <= count; ++number) {
    std::optional<ReceivedSegment> segment;
    MILLRACE_RETURN_IF_ERROR(end.Await("a segment", [&] {
      GrantWanted(*consumer);
      segment = consumer->Receive();
      return segment.has_value();
    }));
    const size_t words = end.options().bytes / sizeof(uint64_t);
    if (SumOfWords(segment->payload, end.options().bytes) !=
        words * static_cast<uint64_t>(number)) {
      return absl::DataLossError(fmt::format("segment {} is not what was sent", number));
    }
    consumer->Dispose(*segment);
    if (number == warm) start = Clock::now();
  }
  const double bytes = static_cast<double>(end.options().bytes) * (count - warm);
  return WriteResult(end.options(), {{"gigabytes_per_second", 1e-9 * bytes / SecondsSince(start)}});
}

// ---- weights ----

WeightSpec BlobSpec(const StreamEndOptions& options) {
  return {
      .policy = kPolicy, .layout_hash = 1, .bytes = options.bytes, .checksum = options.checksum};
}

// How many copies the readers have made in all. Not through the controller: its work would compete
// with that of the readers which are still copying.
absl::StatusOr<std::unique_ptr<MappedFile>> OpenReadCount(const StreamContext& context) {
  return MappedFile::OpenOrCreate(context.shm_directory / "bench-reads",
                                  sizeof(std::atomic<uint64_t>));
}

absl::Status ServeWeights(End& end) {
  MILLRACE_ASSIGN_OR_RETURN(const auto server, MakeWeightServer(end.transport(), end.context(),
                                                                {BlobSpec(end.options())}));
  while (end.control().command() < WorkerCommand::kDrain) {
    const uint32_t seen = end.bell().Value();
    end.bell().Wait(seen, After(kMaintenance));
  }
  return absl::OkStatus();
}

// When this end had copied each version; CLOCK_MONOTONIC is the same for all processes of a host.
absl::Status ReadWeights(End& end) {
  MILLRACE_ASSIGN_OR_RETURN(
      const auto reader, MakeWeightReader(end.transport(), end.context(), BlobSpec(end.options())));
  MILLRACE_ASSIGN_OR_RETURN(const auto read_count, OpenReadCount(end.context()));
  std::vector<std::byte> blob(end.options().bytes);
  nlohmann::json times = nlohmann::json::array();
  WeightVersion held;
  while (held.version < static_cast<uint64_t>(end.options().count)) {
    MILLRACE_RETURN_IF_ERROR(end.Await("weights", [&] { return reader->Available() > held; }));
    MILLRACE_ASSIGN_OR_RETURN(held, reader->Read(blob));
    times.push_back({held.version, Clock::now().time_since_epoch().count()});
    read_count->At<std::atomic<uint64_t>>(0)->fetch_add(1);
  }
  return WriteResult(end.options(), times);
}

// One version after the other, each when all readers have the one before.
absl::Status PublishWeights(End& end) {
  MILLRACE_ASSIGN_OR_RETURN(
      const auto publisher,
      MakeWeightPublisher(end.transport(), end.context(), BlobSpec(end.options())));
  MILLRACE_ASSIGN_OR_RETURN(const auto read_count, OpenReadCount(end.context()));
  std::vector<std::byte> blob(end.options().bytes);
  nlohmann::json times = nlohmann::json::array();
  for (int version = 1; version <= end.options().count; ++version) {
    std::ranges::fill(blob, static_cast<std::byte>(version));
    times.push_back({version, Clock::now().time_since_epoch().count()});
    MILLRACE_RETURN_IF_ERROR(
        publisher->Publish({.epoch = 1, .version = static_cast<uint64_t>(version)}, blob));
    const uint64_t expected =
        static_cast<uint64_t>(version) * static_cast<uint64_t>(end.options().peers);
    const Deadline deadline = After(kPatience);
    while (read_count->At<std::atomic<uint64_t>>(0)->load() < expected) {
      if (Expired(deadline)) return absl::UnavailableError("waited in vain for weight readers");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  return WriteResult(end.options(), times);
}

absl::Status KeepBusy(const StreamEndOptions&) {
  while (true) __asm__ volatile("");
}

using Play = absl::Status (*)(End&);
using PlayAlone = absl::Status (*)(const StreamEndOptions&);

const std::map<std::string, Play>& Parts() {
  static const std::map<std::string, Play> parts = {
      {"inference-server", ServeInference}, {"inference-client", AskInference},
      {"sample-producer", ProduceSamples},  {"sample-consumer", ConsumeSamples},
      {"weight-server", ServeWeights},      {"weight-reader", ReadWeights},
      {"weight-publisher", PublishWeights},
  };
  return parts;
}

const std::map<std::string, PlayAlone>& LonelyParts() {
  static const std::map<std::string, PlayAlone> parts = {{"busy", KeepBusy},
                                                         {"inference-threads", AskBetweenThreads},
                                                         {"socket-server", EchoSocket},
                                                         {"socket-client", AskSocket}};
  return parts;
}

}  // namespace

absl::Status RunStreamEnd(const StreamEndOptions& options) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // not longer than the benchmark
  if (const auto part = LonelyParts().find(options.kind); part != LonelyParts().end()) {
    return part->second(options);
  }
  const auto part = Parts().find(options.kind);
  if (part == Parts().end()) return absl::InvalidArgumentError("unknown end: " + options.kind);
  MILLRACE_ASSIGN_OR_RETURN(const auto end, End::Join(options));
  return part->second(*end);
}

}  // namespace millrace
