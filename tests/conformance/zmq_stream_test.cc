// What foreign bytes do to streams over ZeroMQ: nothing.
#include <gtest/gtest.h>
#include <zmq.h>

#include <random>
#include <string>
#include <vector>

#include "core/crc32c.h"
#include "data/wire.h"
#include "net/endpoint_directory.h"
#include "streams/zmq/factory.h"
#include "streams/zmq/sample_messages.h"
#include "testing/stream_world.h"

namespace millrace {
namespace {

// A peer that says whatever it likes.
class Stranger {
 public:
  explicit Stranger(const std::string& endpoint)
      : context_(::zmq_ctx_new()), socket_(::zmq_socket(context_, ZMQ_DEALER)) {
    const int linger = 1000;
    ::zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof(linger));
    EXPECT_EQ(::zmq_connect(socket_, endpoint.c_str()), 0);
  }
  ~Stranger() {
    ::zmq_close(socket_);
    ::zmq_ctx_term(context_);
  }
  void Say(std::span<const std::byte> bytes, bool more = false) {
    EXPECT_GE(::zmq_send(socket_, bytes.data(), bytes.size(), more ? ZMQ_SNDMORE : 0), 0);
  }
  template <WireStruct Body>
  void Say(WireType type, const Body& body, std::vector<std::byte> payload = {},
           uint32_t crc_error = 0) {
    const WireHeader header =
        MakeWireHeader(type, BytesOf(body), payload.size(), Crc32c(std::span(payload)) ^ crc_error);
    std::vector<std::byte> frame;
    for (const auto part : {BytesOf(header), BytesOf(body), std::span<const std::byte>(payload)}) {
      frame.insert(frame.end(), part.begin(), part.end());
    }
    Say(frame);
  }

 private:
  void* context_;
  void* socket_;
};

void SayNonsense(Stranger& stranger) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 500; ++i) {
    std::vector<std::byte> bytes(random() % 300);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    stranger.Say(bytes);
  }
  for (int i = 0; i < 20; ++i) stranger.Say({}, /*more=*/i < 19);
  stranger.Say(std::vector<std::byte>(1 << 20));
  for (uint16_t type = 0; type < 32; ++type) {
    stranger.Say(static_cast<WireType>(type), uint64_t{random()});
  }
}

std::string EndpointOf(StreamWorld& world, const std::string& prefix) {
  const auto found = ListEndpoints(world.names(), prefix);
  EXPECT_EQ(found.size(), 1u);
  return found.empty() ? "" : found[0].endpoint;
}

SampleStreamSpec MakeSpec() {
  SampleStreamSpec spec;
  spec.policy = "default";
  spec.schema = *Schema::Create({{"reward", DType::kFloat32, {}, Extent::kSteps}});
  spec.extents = {.steps = 4, .rows = 2, .chunks = 1};
  spec.environments = 2;
  return spec;
}

// Says hello as producer 8 and sends one segment.
class ForgedProducer {
 public:
  ForgedProducer(Stranger& stranger, const SampleStreamSpec& spec)
      : stranger_(stranger), layout_(spec.schema, spec.extents) {
    hello_.state = {.producer = 8, .incarnation = 2};
    hello_.schema_hash = spec.schema.hash();
    hello_.steps = spec.extents.steps;
    hello_.rows = spec.extents.rows;
    hello_.chunks = spec.extents.chunks;
    hello_.environments = spec.environments;
    hello_.env_steps_each = spec.env_steps_each();
    stranger_.Say(WireType::kSampleHello, hello_);
  }
  void Post(uint64_t sequence, uint64_t schema_hash, uint32_t crc_error) {
    std::vector<std::byte> payload(layout_.total_bytes());
    SampleSegment segment{.state = hello_.state, .previous = sequence - 1, .header = {}};
    segment.header.sequence = sequence;
    segment.header.schema_hash = schema_hash;
    segment.header.producer = 8;
    segment.header.incarnation = 2;
    segment.header.environments = static_cast<uint32_t>(hello_.environments);
    segment.header.steps = hello_.steps;
    segment.header.rows = hello_.rows;
    segment.header.chunks = hello_.chunks;
    segment.header.payload_crc = Crc32c(std::span(payload)) ^ crc_error;
    stranger_.Say(WireType::kSampleSegment, segment, payload, crc_error);
  }

 private:
  Stranger& stranger_;
  const Layout layout_;
  SampleHello hello_;
};

TEST(ZmqSampleConsumer, SurvivesNonsense) {
  StreamWorld world;
  const StreamContext consumer_context = world.Worker(0);
  auto consumer = MakeZmqSampleConsumer(consumer_context, MakeSpec());
  ASSERT_TRUE(consumer.ok()) << consumer.status();
  Stranger stranger(EndpointOf(world, "sample/default/consumer/"));
  SayNonsense(stranger);
  auto producer = MakeZmqSampleProducer(world.Worker(1), MakeSpec(), 2);
  ASSERT_TRUE(producer.ok()) << producer.status();
  const auto segment = (*producer)->Begin({});
  ASSERT_TRUE(segment.has_value());
  ASSERT_TRUE((*producer)->Commit(*segment, {}).ok());
  EXPECT_TRUE(Eventually(*consumer_context.bell, [&] {
    const auto received = (*consumer)->Receive();
    return received.has_value() && received->header.producer == 1;
  }));
  EXPECT_TRUE((*consumer)->TakeRefused().empty());
  EXPECT_EQ((*consumer)->Producers().size(), 1u);
}

TEST(ZmqSampleConsumer, DamagedSegmentsAreRefusedByReason) {
  StreamWorld world;
  const StreamContext context = world.Worker(0);
  const SampleStreamSpec spec = MakeSpec();
  auto consumer = MakeZmqSampleConsumer(context, spec);
  ASSERT_TRUE(consumer.ok()) << consumer.status();
  Stranger stranger(EndpointOf(world, "sample/default/consumer/"));
  ForgedProducer producer(stranger, spec);
  producer.Post(1, spec.schema.hash(), /*crc_error=*/1);
  producer.Post(2, spec.schema.hash() + 1, 0);
  producer.Post(2, spec.schema.hash(), 0);  // a duplicate
  producer.Post(3, spec.schema.hash(), 0);
  std::vector<RefusedSegment> refused;
  std::optional<ReceivedSegment> received;
  ASSERT_TRUE(Eventually(*context.bell, [&] {
    for (const auto& segment : (*consumer)->TakeRefused()) refused.push_back(segment);
    return (received = (*consumer)->Receive()).has_value();
  }));
  for (const auto& segment : (*consumer)->TakeRefused()) refused.push_back(segment);
  EXPECT_EQ(received->header.sequence, 3u);
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_EQ(refused[0].reason, DropReason::kCrc);
  EXPECT_EQ(refused[0].sequence, 1u);
  EXPECT_EQ(refused[0].producer, 8u);
  EXPECT_EQ(refused[0].env_steps_each, spec.env_steps_each());
  EXPECT_EQ(refused[1].reason, DropReason::kSchema);
  EXPECT_EQ(refused[1].sequence, 2u);
}

TEST(ZmqInferenceServer, SurvivesNonsense) {
  StreamWorld world;
  InferenceSpec spec;
  spec.policy = "default";
  spec.observation.fields = {{"speed", DType::kFloat32, {3}, Extent::kRows}};
  spec.action = ActionSpec::Discrete(2);
  spec.rows = 2;
  const StreamContext context = world.Worker(0);
  auto server = MakeZmqInferenceServer(context, spec);
  ASSERT_TRUE(server.ok()) << server.status();
  Stranger stranger(EndpointOf(world, "inference/default/server/"));
  SayNonsense(stranger);
  auto client = MakeZmqInferenceClient(world.Worker(4), spec, {});
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE((*client)->Post(0, {}).ok());
  std::vector<PendingRequest> requests;
  EXPECT_TRUE(Eventually(*context.bell, [&] {
    (*server)->Collect(requests);
    return !requests.empty();
  }));
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].header.client, 4u);
  // Nothing but flags 0: the compact form was enough.
  EXPECT_TRUE(requests[0].compact);
}

TEST(ZmqSampleConsumer, ListensOnLoopbackOnly) {
  StreamWorld world;
  StreamContext context = world.Worker(0);
  context.bind_host = "0.0.0.0";
  EXPECT_EQ(MakeZmqSampleConsumer(context, MakeSpec()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace
