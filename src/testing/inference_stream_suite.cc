#include "testing/inference_stream_suite.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

InferenceSpec MakeSpec() {
  InferenceSpec spec;
  spec.policy = "default";
  spec.observation.fields = {{"image", DType::kUInt8, {4, 4}, Extent::kRows},
                             {"speed", DType::kFloat32, {3}, Extent::kRows}};
  spec.action = ActionSpec::Discrete(5);
  spec.rows = 3;
  spec.state_size = 8;
  return spec;
}

constexpr InferenceClientOptions kImpatient = {.groups = 1,
                                               .request_deadline = std::chrono::milliseconds(20),
                                               .patience = std::chrono::seconds(60)};

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(InferenceStreamSuite);

InferenceTransport BuiltinInferenceTransport(Transport transport) {
  return {.name = std::string(Name(transport)),
          .make_client =
              [transport](const StreamContext& context, const InferenceSpec& spec,
                          const InferenceClientOptions& options) {
                return MakeInferenceClient(transport, context, spec, options);
              },
          .make_server =
              [transport](const StreamContext& context, const InferenceSpec& spec) {
                return MakeInferenceServer(transport, context, spec);
              }};
}

InferenceStreamSuite::InferenceStreamSuite() : spec_(MakeSpec()) {}

InferenceStreamSuite::ClientEnd InferenceStreamSuite::MakeClient(
    uint32_t index, const InferenceClientOptions& options, uint32_t incarnation) {
  ClientEnd end{world_.Worker(index, incarnation), nullptr};
  auto stream = GetParam().make_client(end.context, spec_, options);
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (stream.ok()) end.stream = *std::move(stream);
  return end;
}

InferenceStreamSuite::ServerEnd InferenceStreamSuite::MakeServer(uint32_t index,
                                                                 uint32_t incarnation) {
  ServerEnd end{world_.Worker(index, incarnation), nullptr};
  auto stream = GetParam().make_server(end.context, spec_);
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (stream.ok()) end.stream = *std::move(stream);
  return end;
}

void InferenceStreamSuite::Post(ClientEnd& client, int group, uint64_t seed) {
  FillPattern({client.stream->RequestPayload(group), spec_.CompactRequestBytes()}, seed);
  RequestHeader header;
  header.first_row = seed;
  header.draw = seed + 5;
  const absl::Status posted = client.stream->Post(group, header);
  ASSERT_TRUE(posted.ok()) << posted;
}

size_t InferenceStreamSuite::CollectFromAny(std::vector<ServerEnd*> servers,
                                            std::vector<PendingRequest>& requests) {
  size_t found = servers.size();
  EXPECT_TRUE(Eventually(*servers[0]->context.bell, [&] {
    for (size_t i = 0; i < servers.size() && found == servers.size(); ++i) {
      servers[i]->stream->Collect(requests);
      if (!requests.empty()) found = i;
    }
    return found < servers.size();
  })) << "no request came";
  return found;
}

void InferenceStreamSuite::Answer(ServerEnd& server, const std::vector<PendingRequest>& requests) {
  for (const PendingRequest& request : requests) {
    FillPattern({request.reply, server.stream->reply_layout().total_bytes()},
                request.header.first_row + 1);
    server.stream->Respond(
        request,
        {.id = request.header.id, .version = request.header.first_row + 100, .state_reset = 1});
  }
  server.stream->Flush();
}

bool InferenceStreamSuite::HasAnswer(const ClientEnd& client, const Reply& reply,
                                     uint64_t seed) const {
  return reply.payload != nullptr && reply.header.version == seed + 100 &&
         HasPattern({reply.payload, client.stream->reply_layout().total_bytes()}, seed + 1);
}

Reply InferenceStreamSuite::WaitForReply(ClientEnd& client, int group) {
  std::optional<Reply> reply;
  EXPECT_TRUE(Eventually(*client.context.bell, [&] {
    EXPECT_TRUE(client.stream->Maintain().ok());
    reply = client.stream->TryReply(group);
    return reply.has_value();
  })) << "no reply came";
  return reply.value_or(Reply{});
}

TEST_P(InferenceStreamSuite, ARequestIsAnswered) {
  auto server = MakeServer();
  auto client = MakeClient(6, {.groups = 2});
  EXPECT_FALSE(client.stream->TryReply(1).has_value());
  ASSERT_NO_FATAL_FAILURE(Post(client, 1, 70));
  std::vector<PendingRequest> requests;
  CollectFromAny({&server}, requests);
  ASSERT_EQ(requests.size(), 1u);
  const PendingRequest& request = requests[0];
  EXPECT_EQ(request.header.id, 1u);
  EXPECT_EQ(request.header.client, 6u);
  EXPECT_EQ(request.header.incarnation, 1u);
  EXPECT_EQ(request.header.group, 1u);
  EXPECT_EQ(request.header.first_row, 70u);
  EXPECT_EQ(request.header.draw, 75u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(request.payload) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(request.reply) % 64, 0u);
  EXPECT_TRUE(HasPattern({request.payload, spec_.CompactRequestBytes()}, 70));

  Answer(server, requests);
  const Reply reply = WaitForReply(client, 1);
  EXPECT_TRUE(HasAnswer(client, reply, 70));
  EXPECT_EQ(reply.header.id, 1u);
  EXPECT_EQ(reply.header.state_reset, 1u);
  EXPECT_FALSE(client.stream->TryReply(1).has_value());  // once
  EXPECT_FALSE(client.stream->TryReply(0).has_value());
  requests.clear();
  server.stream->Collect(requests);
  EXPECT_TRUE(requests.empty());
}

TEST_P(InferenceStreamSuite, BellsRingForRequestsAndForReplies) {
  auto server = MakeServer();
  auto client = MakeClient(0);
  std::jthread worker([&] {
    for (int answered = 0; answered < 20;) {
      std::vector<PendingRequest> requests;
      ASSERT_TRUE(EventuallyByBell(*server.context.bell, [&] {
        server.stream->Collect(requests);
        return !requests.empty();
      }));
      Answer(server, requests);
      answered += static_cast<int>(requests.size());
    }
  });
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Post(client, 0, seed));
    std::optional<Reply> reply;
    ASSERT_TRUE(EventuallyByBell(*client.context.bell, [&] {
      EXPECT_TRUE(client.stream->Maintain().ok());
      return (reply = client.stream->TryReply(0)).has_value();
    }));
    EXPECT_TRUE(HasAnswer(client, *reply, seed));
  }
}

TEST_P(InferenceStreamSuite, FlagsFinalObservationsAndStatePassThrough) {
  auto server = MakeServer();
  auto client = MakeClient(0);
  const size_t bytes = client.stream->request_layout().total_bytes();
  FillPattern({client.stream->RequestPayload(0), bytes}, 3);
  // A final row makes the last observations part of the request, as kRestoreState makes the state.
  const TensorView flags =
      client.stream->request_layout().View(kRowFlags, client.stream->RequestPayload(0));
  flags.As<uint8_t>()[0] = kRowFirst;
  flags.As<uint8_t>()[1] = kRowFinal;
  flags.As<uint8_t>()[2] = kRowAbsent;
  const std::vector<std::byte> sent(client.stream->RequestPayload(0),
                                    client.stream->RequestPayload(0) + bytes);
  RequestHeader header;
  header.flags = kValueOnly | kWantState | kRestoreState;
  header.min_version = 17;
  ASSERT_TRUE(client.stream->Post(0, header).ok());
  std::vector<PendingRequest> requests;
  CollectFromAny({&server}, requests);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].header.flags, kValueOnly | kWantState | kRestoreState);
  EXPECT_EQ(requests[0].header.min_version, 17u);
  ASSERT_FALSE(requests[0].compact);
  EXPECT_TRUE(std::equal(sent.begin(), sent.end(), requests[0].payload));
}

TEST_P(InferenceStreamSuite, SeveralClientsAndGroupsGetTheirOwnAnswers) {
  constexpr uint32_t kClients = 3;
  constexpr int kGroups = 2;
  constexpr uint64_t kRounds = 30;
  auto server = MakeServer();
  std::vector<ClientEnd> clients;
  for (uint32_t i = 0; i < kClients; ++i) clients.push_back({world_.Worker(i), nullptr});
  std::atomic<uint32_t> done = 0;
  std::vector<std::jthread> threads;
  for (ClientEnd& client : clients) {
    threads.emplace_back([&] {
      auto stream = GetParam().make_client(client.context, spec_, {.groups = kGroups});
      ASSERT_TRUE(stream.ok()) << stream.status();
      client.stream = *std::move(stream);
      for (uint64_t round = 1; round <= kRounds; ++round) {
        const uint64_t seed = round * 1000 + client.context.index * 10;
        for (int group = 0; group < kGroups; ++group) {
          ASSERT_NO_FATAL_FAILURE(Post(client, group, seed + static_cast<uint64_t>(group)));
        }
        for (int group = 0; group < kGroups; ++group) {
          const Reply reply = WaitForReply(client, group);
          EXPECT_TRUE(HasAnswer(client, reply, seed + static_cast<uint64_t>(group)));
          EXPECT_EQ(reply.header.id, round);
        }
      }
      ++done;
      server.context.bell->Ring();
    });
  }
  uint64_t answered = 0;
  EXPECT_TRUE(Eventually(*server.context.bell, [&] {
    std::vector<PendingRequest> requests;
    server.stream->Collect(requests);
    for (const PendingRequest& request : requests) {
      EXPECT_TRUE(
          HasPattern({request.payload, spec_.CompactRequestBytes()}, request.header.first_row));
    }
    Answer(server, requests);
    answered += requests.size();
    return done == kClients;
  }));
  EXPECT_EQ(answered, kClients * kGroups * kRounds);
}

TEST_P(InferenceStreamSuite, ARequestPostedBeforeAnyServerIsAnswered) {
  auto client = MakeClient(0);
  ASSERT_NO_FATAL_FAILURE(Post(client, 0, 4));
  ASSERT_TRUE(client.stream->Maintain().ok());
  auto server = MakeServer();
  std::vector<PendingRequest> requests;
  ASSERT_TRUE(Eventually(*server.context.bell, [&] {
    EXPECT_TRUE(client.stream->Maintain().ok());
    server.stream->Collect(requests);
    return !requests.empty();
  }));
  Answer(server, requests);
  EXPECT_TRUE(HasAnswer(client, WaitForReply(client, 0), 4));
}

TEST_P(InferenceStreamSuite, AGroupStaysWithItsServer) {
  auto server0 = MakeServer(0);
  auto server1 = MakeServer(1);
  auto client = MakeClient(0);
  std::vector<size_t> chosen;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Post(client, 0, seed));
    std::vector<PendingRequest> requests;
    chosen.push_back(CollectFromAny({&server0, &server1}, requests));
    ASSERT_EQ(requests.size(), 1u);
    Answer(chosen.back() == 0 ? server0 : server1, requests);
    EXPECT_TRUE(HasAnswer(client, WaitForReply(client, 0), seed));
  }
  EXPECT_THAT(chosen, ::testing::Each(chosen[0]));
}

TEST_P(InferenceStreamSuite, TheRequestOfADeadServerGoesToAnother) {
  auto server0 = MakeServer(0);
  auto server1 = MakeServer(1);
  auto client = MakeClient(0);
  ASSERT_NO_FATAL_FAILURE(Post(client, 0, 8));
  std::vector<PendingRequest> requests;
  const size_t first = CollectFromAny({&server0, &server1}, requests);
  ASSERT_EQ(requests.size(), 1u);
  ServerEnd& dead = first == 0 ? server0 : server1;
  ServerEnd& alive = first == 0 ? server1 : server0;
  dead.stream.reset();
  requests.clear();
  ASSERT_TRUE(Eventually(*alive.context.bell, [&] {
    EXPECT_TRUE(client.stream->Maintain().ok());
    alive.stream->Collect(requests);
    return !requests.empty();
  }));
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].header.id, 1u);
  EXPECT_EQ(requests[0].header.first_row, 8u);
  EXPECT_TRUE(HasPattern({requests[0].payload, spec_.CompactRequestBytes()}, 8));
  Answer(alive, requests);
  EXPECT_TRUE(HasAnswer(client, WaitForReply(client, 0), 8));
}

TEST_P(InferenceStreamSuite, TheSuccessorOfADeadServerGetsItsRequests) {
  auto server = MakeServer(0, 1);
  auto client = MakeClient(0);
  ASSERT_NO_FATAL_FAILURE(Post(client, 0, 8));
  std::vector<PendingRequest> requests;
  CollectFromAny({&server}, requests);
  server.stream.reset();
  auto successor = MakeServer(0, 2);
  requests.clear();
  ASSERT_TRUE(Eventually(*successor.context.bell, [&] {
    EXPECT_TRUE(client.stream->Maintain().ok());
    successor.stream->Collect(requests);
    return !requests.empty();
  }));
  Answer(successor, requests);
  EXPECT_TRUE(HasAnswer(client, WaitForReply(client, 0), 8));
}

TEST_P(InferenceStreamSuite, ALateRequestGoesToAnotherServer) {
  auto server0 = MakeServer(0);
  auto server1 = MakeServer(1);
  auto client = MakeClient(0, kImpatient);
  ASSERT_NO_FATAL_FAILURE(Post(client, 0, 8));
  std::vector<PendingRequest> requests;
  const size_t first = CollectFromAny({&server0, &server1}, requests);
  ServerEnd& other = first == 0 ? server1 : server0;
  requests.clear();
  ASSERT_TRUE(Eventually(*other.context.bell, [&] {
    EXPECT_TRUE(client.stream->Maintain().ok());
    other.stream->Collect(requests);
    return !requests.empty();
  }));
  Answer(other, requests);
  EXPECT_TRUE(HasAnswer(client, WaitForReply(client, 0), 8));
}

TEST_P(InferenceStreamSuite, ARepeatedRequestIsHandedOutOnce) {
  auto server = MakeServer();
  auto client = MakeClient(0, kImpatient);
  ASSERT_NO_FATAL_FAILURE(Post(client, 0, 8));
  std::vector<PendingRequest> requests;
  CollectFromAny({&server}, requests);
  const Deadline several_deadlines_later = After(5 * kImpatient.request_deadline);
  ASSERT_TRUE(Eventually(*client.context.bell, [&] {
    EXPECT_TRUE(client.stream->Maintain().ok());
    server.stream->Collect(requests);
    return Expired(several_deadlines_later);
  }));
  ASSERT_EQ(requests.size(), 1u);
  Answer(server, requests);
  EXPECT_TRUE(HasAnswer(client, WaitForReply(client, 0), 8));

  ASSERT_NO_FATAL_FAILURE(Post(client, 0, 9));
  requests.clear();
  CollectFromAny({&server}, requests);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].header.id, 2u);
  Answer(server, requests);
  const Reply reply = WaitForReply(client, 0);
  EXPECT_TRUE(HasAnswer(client, reply, 9));
  EXPECT_EQ(reply.header.id, 2u);
}

TEST_P(InferenceStreamSuite, GoneClientsAreReportedAndTheirRequestsAreHarmless) {
  auto server = MakeServer();
  auto client = MakeClient(5, {}, 1);
  ASSERT_NO_FATAL_FAILURE(Post(client, 0, 8));
  std::vector<PendingRequest> requests;
  CollectFromAny({&server}, requests);
  EXPECT_TRUE(server.stream->TakeGoneClients().empty());
  client.stream.reset();
  std::vector<PendingRequest> none;
  std::vector<std::pair<uint32_t, uint32_t>> gone;
  ASSERT_TRUE(Eventually(*server.context.bell, [&] {
    server.stream->Collect(none);
    gone = server.stream->TakeGoneClients();
    return !gone.empty();
  }));
  EXPECT_THAT(gone, ElementsAre(Pair(5u, 1u)));
  EXPECT_TRUE(none.empty());
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_TRUE(HasPattern({requests[0].payload, spec_.CompactRequestBytes()}, 8));
  Answer(server, requests);
  EXPECT_TRUE(server.stream->TakeGoneClients().empty());

  auto successor = MakeClient(5, {}, 2);
  ASSERT_NO_FATAL_FAILURE(Post(successor, 0, 9));
  requests.clear();
  CollectFromAny({&server}, requests);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].header.incarnation, 2u);
  Answer(server, requests);
  EXPECT_TRUE(HasAnswer(successor, WaitForReply(successor, 0), 9));
}

TEST_P(InferenceStreamSuite, PatienceEndsWithoutAnyServer) {
  auto client = MakeClient(0, {.groups = 1, .patience = std::chrono::milliseconds(30)});
  ASSERT_NO_FATAL_FAILURE(Post(client, 0, 1));
  absl::Status status;
  ASSERT_TRUE(Eventually(*client.context.bell, [&] {
    status = client.stream->Maintain();
    return !status.ok();
  }));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  auto server = MakeServer();
  EXPECT_TRUE(Eventually(*client.context.bell, [&] { return client.stream->Maintain().ok(); }));
}

TEST_P(InferenceStreamSuite, AClientWithAnotherSpecIsRefused) {
  auto server = MakeServer();
  InferenceSpec other = spec_;
  other.action = ActionSpec::Continuous({-1}, {1});
  ClientEnd stranger{world_.Worker(0), nullptr};
  auto stream = GetParam().make_client(stranger.context, other, {});
  ASSERT_TRUE(stream.ok()) << stream.status();
  stranger.stream = *std::move(stream);
  ASSERT_TRUE(stranger.stream->Post(0, {}).ok());
  auto client = MakeClient(1);
  ASSERT_NO_FATAL_FAILURE(Post(client, 0, 3));
  std::vector<PendingRequest> requests;
  CollectFromAny({&server}, requests);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].header.client, 1u);
  server.stream->Collect(requests);
  EXPECT_EQ(requests.size(), 1u);
}

}  // namespace millrace
