// What only shared memory can get wrong: two servers at one reply, killed servers, leftover files.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "streams/shm/factory.h"
#include "streams/shm/file_slab_store.h"
#include "streams/shm/inference_slab.h"
#include "testing/stream_world.h"

namespace millrace {
namespace {

class ShmInferenceStream : public ::testing::Test {
 protected:
  ShmInferenceStream() {
    spec_.policy = "default";
    spec_.observation.fields = {{"observation", DType::kFloat32, {4}, Extent::kRows}};
    spec_.action = ActionSpec::Discrete(2);
    spec_.rows = 2;
  }
  std::unique_ptr<InferenceServer> MakeServer(const StreamContext& context) {
    auto server = MakeShmInferenceServer(context, spec_);
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }
  std::unique_ptr<InferenceClient> MakeClient(const StreamContext& context,
                                              InferenceClientOptions options = {}) {
    auto client = MakeShmInferenceClient(context, spec_, options);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }
  static std::vector<PendingRequest> Collect(InferenceServer& server) {
    std::vector<PendingRequest> requests;
    server.Collect(requests);
    return requests;
  }
  static void Answer(InferenceServer& server, const PendingRequest& request, uint64_t seed) {
    FillPattern({request.reply, server.reply_layout().total_bytes()}, seed);
    server.Respond(request, {.version = seed});
    server.Flush();
  }
  std::filesystem::path SlabFile(int incarnation) const {
    return world_.directory() / ("inference-default-0." + std::to_string(incarnation));
  }

  StreamWorld world_;
  InferenceSpec spec_;
};

constexpr InferenceClientOptions kAtOnce = {
    .groups = 1, .request_deadline = Clock::duration::zero(), .patience = std::chrono::seconds(60)};

TEST_F(ShmInferenceStream, GroupsSpreadOverTheServers) {
  auto server0 = MakeServer(world_.Worker(0));
  auto server1 = MakeServer(world_.Worker(1));
  auto client = MakeClient(world_.Worker(1), {.groups = 4});
  for (int group = 0; group < 4; ++group) ASSERT_TRUE(client->Post(group, {}).ok());
  // (client index 1 + group) modulo 2 servers
  const auto at0 = Collect(*server0);
  const auto at1 = Collect(*server1);
  ASSERT_EQ(at0.size(), 2u);
  EXPECT_EQ(at0[0].header.group, 1u);
  EXPECT_EQ(at0[1].header.group, 3u);
  EXPECT_EQ(at1.size(), 2u);
}

TEST_F(ShmInferenceStream, ALateAnswerIsDroppedAndGivenWhenItIsAskedForAgain) {
  const StreamContext context1 = world_.Worker(1);
  auto server0 = MakeServer(world_.Worker(0));
  auto server1 = MakeServer(context1);
  auto client = MakeClient(world_.Worker(0), kAtOnce);
  ASSERT_TRUE(client->Post(0, {}).ok());
  const auto first = Collect(*server0);
  ASSERT_EQ(first.size(), 1u);
  ASSERT_TRUE(client->Maintain().ok());  // late at once: goes to server 1
  const auto second = Collect(*server1);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].header.id, first[0].header.id);
  Answer(*server0, first[0], 10);
  EXPECT_FALSE(client->TryReply(0).has_value());

  server1.reset();
  ASSERT_TRUE(client->Maintain().ok());  // back to server 0, which knows the answer
  EXPECT_TRUE(Collect(*server0).empty());
  const auto reply = client->TryReply(0);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->header.version, 10u);
  EXPECT_TRUE(HasPattern({reply->payload, client->reply_layout().total_bytes()}, 10));
}

TEST_F(ShmInferenceStream, ARequestThatComesBackBeforeItIsAnsweredIsAnsweredOnce) {
  auto server0 = MakeServer(world_.Worker(0));
  auto server1 = MakeServer(world_.Worker(1));
  auto client = MakeClient(world_.Worker(0), kAtOnce);
  ASSERT_TRUE(client->Post(0, {}).ok());
  const auto first = Collect(*server0);
  ASSERT_EQ(first.size(), 1u);
  ASSERT_TRUE(client->Maintain().ok());  // to server 1
  ASSERT_TRUE(client->Maintain().ok());  // and back
  EXPECT_TRUE(Collect(*server0).empty());
  EXPECT_TRUE(Collect(*server1).empty());
  Answer(*server0, first[0], 10);
  const auto reply = client->TryReply(0);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->header.version, 10u);
}

TEST_F(ShmInferenceStream, ANewRequestWaitsUntilTheOldOneHasLeftTheServer) {
  auto server0 = MakeServer(world_.Worker(0));
  auto server1 = MakeServer(world_.Worker(1));
  auto client = MakeClient(world_.Worker(0), kAtOnce);
  ASSERT_TRUE(client->Post(0, {}).ok());
  const auto first = Collect(*server0);
  ASSERT_EQ(first.size(), 1u);
  ASSERT_TRUE(client->Maintain().ok());
  const auto second = Collect(*server1);
  ASSERT_EQ(second.size(), 1u);
  Answer(*server1, second[0], 20);
  ASSERT_TRUE(client->TryReply(0).has_value());
  ASSERT_TRUE(client->Post(0, {}).ok());  // to server 1, where it stays
  ASSERT_TRUE(client->Maintain().ok());   // late: to server 0, which still works on request 1
  EXPECT_TRUE(Collect(*server0).empty());
  Answer(*server0, first[0], 10);
  EXPECT_FALSE(client->TryReply(0).has_value());
  const auto third = Collect(*server0);
  ASSERT_EQ(third.size(), 1u);
  EXPECT_EQ(third[0].header.id, 2u);
}

TEST_F(ShmInferenceStream, AServerKilledWhileItWroteIsReplaced) {
  const StreamContext context = world_.Worker(0);
  auto server0 = MakeServer(world_.Worker(0));
  auto client = MakeClient(context, kAtOnce);
  ASSERT_TRUE(client->Post(0, {}).ok());
  ASSERT_EQ(Collect(*server0).size(), 1u);
  // As a server leaves it that dies between claiming the reply and finishing it.
  auto store = MakeFileSlabStore(context);
  ASSERT_TRUE(store.ok());
  auto slab = InferenceSlab::Open(**store, SlabFile(1), spec_, 0, 1);
  ASSERT_TRUE(slab.ok()) << slab.status();
  slab->control(0).ticket.store(Ticket{.phase = Ticket::kWriting, .attempt = 0, .id = 1}.Pack());
  server0.reset();
  auto server1 = MakeServer(world_.Worker(1));
  ASSERT_TRUE(client->Maintain().ok());
  const auto requests = Collect(*server1);
  ASSERT_EQ(requests.size(), 1u);
  Answer(*server1, requests[0], 30);
  const auto reply = client->TryReply(0);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->header.version, 30u);
}

TEST_F(ShmInferenceStream, ANameThatFlickersLosesNoRequest) {
  const StreamContext context = world_.Worker(0);
  auto server = MakeServer(world_.Worker(0));
  auto client = MakeClient(context);
  ASSERT_TRUE(client->Post(0, {}).ok());
  const auto requests = Collect(*server);
  ASSERT_EQ(requests.size(), 1u);
  const auto entries = world_.names().List("inference/default/client/");
  ASSERT_EQ(entries.size(), 1u);
  ASSERT_TRUE(world_.names().Delete(entries[0].key).ok());
  EXPECT_TRUE(Collect(*server).empty());
  EXPECT_EQ(server->TakeGoneClients().size(), 1u);
  ASSERT_TRUE(world_.names().Put(entries[0].key, entries[0].value).ok());
  EXPECT_TRUE(Collect(*server).empty());
  Answer(*server, requests[0], 5);
  EXPECT_TRUE(client->TryReply(0).has_value());
}

TEST_F(ShmInferenceStream, ASuccessorRemovesTheSlabOfAKilledClient) {
  const StreamContext context = world_.Worker(0, 2);
  {
    auto store = MakeFileSlabStore(context);  // as a killed client leaves it
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE(InferenceSlab::Create(**store, "inference-default-0.1", spec_, 1, 0, 1).ok());
  }
  auto client = MakeClient(context);
  EXPECT_FALSE(std::filesystem::exists(SlabFile(1)));
  EXPECT_TRUE(std::filesystem::exists(SlabFile(2)));
  client.reset();
  EXPECT_FALSE(std::filesystem::exists(SlabFile(2)));
}

}  // namespace
}  // namespace millrace
