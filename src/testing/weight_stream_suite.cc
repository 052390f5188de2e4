#include "testing/weight_stream_suite.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

namespace millrace {
namespace {

// More than two chunks of the gRPC transport, and not a multiple of anything.
constexpr size_t kBlobBytes = 2'500'004;

// Bytes that follow from the version: no word of them is the same in another version or in another
// place.
std::vector<std::byte> BlobOf(WeightVersion version) {
  std::vector<std::byte> blob(kBlobBytes);
  uint64_t word = (version.epoch << 48) + (version.version << 32);
  for (size_t at = 0; at < blob.size(); at += sizeof(word), ++word) {
    std::memcpy(blob.data() + at, &word, std::min(sizeof(word), blob.size() - at));
  }
  return blob;
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WeightStreamSuite);

WeightTransport BuiltinWeightTransport(Transport transport) {
  return {.name = std::string(Name(transport)),
          .make_publisher =
              [transport](const StreamContext& context, const WeightSpec& spec) {
                return MakeWeightPublisher(transport, context, spec);
              },
          .make_server =
              [transport](const StreamContext& context, const std::vector<WeightSpec>& specs) {
                return MakeWeightServer(transport, context, specs);
              },
          .make_reader =
              [transport](const StreamContext& context, const WeightSpec& spec) {
                return MakeWeightReader(transport, context, spec);
              }};
}

WeightStreamSuite::WeightStreamSuite()
    : spec_{.policy = "default", .layout_hash = 0xABCDEF12345678, .bytes = kBlobBytes} {}

std::unique_ptr<WeightPublisher> WeightStreamSuite::MakePublisher(uint32_t incarnation) {
  auto made = GetParam().make_publisher(world_.Worker(0, incarnation), spec_);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *std::move(made) : nullptr;
}

std::unique_ptr<WeightServer> WeightStreamSuite::MakeServer(uint32_t index, uint32_t incarnation) {
  auto made = GetParam().make_server(world_.Worker(index, incarnation), {spec_});
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *std::move(made) : nullptr;
}

WeightStreamSuite::ReaderEnd WeightStreamSuite::MakeReader(uint32_t index) {
  ReaderEnd end{world_.Worker(index), nullptr};
  auto made = GetParam().make_reader(end.context, spec_);
  EXPECT_TRUE(made.ok()) << made.status();
  if (made.ok()) end.stream = *std::move(made);
  return end;
}

absl::Status WeightStreamSuite::Publish(WeightPublisher& publisher, WeightVersion version) {
  return publisher.Publish(version, BlobOf(version));
}

WeightVersion WeightStreamSuite::ReadAndCheck(ReaderEnd& reader) {
  std::vector<std::byte> blob(kBlobBytes);
  const auto version = reader.stream->Read(blob);
  EXPECT_TRUE(version.ok()) << version.status();
  if (!version.ok()) return {};
  EXPECT_TRUE(blob == BlobOf(*version)) << "torn version " << version->version;
  return *version;
}

bool WeightStreamSuite::WaitFor(ReaderEnd& reader, WeightVersion version) {
  return Eventually(*reader.context.bell, [&] { return reader.stream->Available() == version; }) &&
         ReadAndCheck(reader) == version;
}

TEST_P(WeightStreamSuite, NothingIsThereBeforeTheFirstVersion) {
  auto server = MakeServer();
  auto reader = MakeReader();
  EXPECT_EQ(reader.stream->Available(), WeightVersion{});
  std::vector<std::byte> blob(kBlobBytes);
  EXPECT_EQ(reader.stream->Read(blob).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server->Held("default"), WeightVersion{});
  EXPECT_EQ(server->received(), 0u);
}

TEST_P(WeightStreamSuite, AVersionArrivesWholeAndRingsTheBell) {
  auto publisher = MakePublisher();
  auto server = MakeServer();
  auto reader = MakeReader();
  for (uint64_t version = 1; version <= 5; ++version) {
    ASSERT_TRUE(Publish(*publisher, {1, version}).ok());
    ASSERT_TRUE(EventuallyByBell(*reader.context.bell, [&] {
      return reader.stream->Available() == WeightVersion{1, version};
    }));
    EXPECT_EQ(ReadAndCheck(reader), (WeightVersion{1, version}));
    EXPECT_EQ(server->Held("default"), (WeightVersion{1, version}));
  }
  // A reader may see a version before the server has counted it.
  EXPECT_TRUE(Eventually(*reader.context.bell, [&] { return server->received() == 5; }));
}

TEST_P(WeightStreamSuite, BlobsOfAnotherSizeAreAnError) {
  auto publisher = MakePublisher();
  auto server = MakeServer();
  auto reader = MakeReader();
  std::vector<std::byte> small(kBlobBytes - 1);
  EXPECT_EQ(publisher->Publish({1, 1}, small).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reader.stream->Read(small).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(WeightStreamSuite, AReaderThatComesLateGetsTheNewest) {
  auto publisher = MakePublisher();
  auto server = MakeServer();
  auto first = MakeReader(0);
  for (uint64_t version = 1; version <= 3; ++version) {
    ASSERT_TRUE(Publish(*publisher, {1, version}).ok());
  }
  ASSERT_TRUE(WaitFor(first, {1, 3}));
  auto late = MakeReader(1);
  EXPECT_TRUE(WaitFor(late, {1, 3}));
}

TEST_P(WeightStreamSuite, AServerThatComesLateGetsTheNewest) {
  auto publisher = MakePublisher();
  auto reader = MakeReader();
  ASSERT_TRUE(Publish(*publisher, {1, 1}).ok());
  ASSERT_TRUE(Publish(*publisher, {1, 2}).ok());
  auto server = MakeServer();
  EXPECT_TRUE(WaitFor(reader, {1, 2}));
}

TEST_P(WeightStreamSuite, ARestartedServerServesOldAndNewVersions) {
  auto publisher = MakePublisher();
  auto server = MakeServer(0, 1);
  auto reader = MakeReader();
  ASSERT_TRUE(Publish(*publisher, {1, 1}).ok());
  ASSERT_TRUE(WaitFor(reader, {1, 1}));
  server.reset();
  EXPECT_EQ(ReadAndCheck(reader), (WeightVersion{1, 1}));  // readers keep the last good version
  server = MakeServer(0, 2);
  auto late = MakeReader(1);
  EXPECT_TRUE(WaitFor(late, {1, 1}));
  ASSERT_TRUE(Publish(*publisher, {1, 2}).ok());
  EXPECT_TRUE(WaitFor(reader, {1, 2}));
  EXPECT_TRUE(WaitFor(late, {1, 2}));
}

TEST_P(WeightStreamSuite, WhenOneOfTwoServersDiesTheOtherGoesOn) {
  auto publisher = MakePublisher();
  auto server0 = MakeServer(0);
  auto server1 = MakeServer(1);
  auto reader0 = MakeReader(0);
  auto reader1 = MakeReader(1);
  ASSERT_TRUE(Publish(*publisher, {1, 1}).ok());
  ASSERT_TRUE(WaitFor(reader0, {1, 1}));
  ASSERT_TRUE(WaitFor(reader1, {1, 1}));
  server0.reset();
  ASSERT_TRUE(Publish(*publisher, {1, 2}).ok());
  EXPECT_TRUE(WaitFor(reader0, {1, 2}));
  EXPECT_TRUE(WaitFor(reader1, {1, 2}));
  auto successor = MakeServer(0, 2);
  server1.reset();
  ASSERT_TRUE(Publish(*publisher, {1, 3}).ok());
  EXPECT_TRUE(WaitFor(reader0, {1, 3}));
  EXPECT_TRUE(WaitFor(reader1, {1, 3}));
}

TEST_P(WeightStreamSuite, VersionsNeverGoBack) {
  auto publisher = MakePublisher();
  auto server = MakeServer();
  auto reader = MakeReader();
  ASSERT_TRUE(Publish(*publisher, {1, 5}).ok());
  ASSERT_TRUE(WaitFor(reader, {1, 5}));
  ASSERT_TRUE(Publish(*publisher, {1, 4}).ok());
  ASSERT_TRUE(Publish(*publisher, {1, 5}).ok());
  ASSERT_TRUE(Publish(*publisher, {1, 6}).ok());
  WeightVersion last;
  ASSERT_TRUE(Eventually(*reader.context.bell, [&] {
    const WeightVersion now = ReadAndCheck(reader);
    EXPECT_GE(now, last);
    last = now;
    return now == WeightVersion{1, 6};
  }));
  EXPECT_TRUE(Eventually(*reader.context.bell, [&] { return server->received() == 2; }));
}

TEST_P(WeightStreamSuite, ANewEpochWinsAndTheZombieIsRefused) {
  auto zombie = MakePublisher(1);
  auto server = MakeServer();
  auto reader = MakeReader();
  ASSERT_TRUE(Publish(*zombie, {1, 7}).ok());
  ASSERT_TRUE(WaitFor(reader, {1, 7}));
  auto successor = MakePublisher(2);
  ASSERT_TRUE(Publish(*successor, {2, 6}).ok());  // back to a checkpoint: the epoch is what counts
  ASSERT_TRUE(WaitFor(reader, {2, 6}));
  absl::Status status;
  uint64_t version = 7;
  ASSERT_TRUE(Eventually(*reader.context.bell, [&] {
    status = Publish(*zombie, {1, ++version});
    return !status.ok();
  }));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(Publish(*zombie, {1, ++version}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadAndCheck(reader), (WeightVersion{2, 6}));
  ASSERT_TRUE(Publish(*successor, {2, 7}).ok());
  EXPECT_TRUE(WaitFor(reader, {2, 7}));
}

TEST_P(WeightStreamSuite, PoliciesAreApart) {
  WeightSpec other = spec_;
  other.policy = "other";
  auto publisher = MakePublisher();
  auto made = GetParam().make_publisher(world_.Worker(1), other);
  ASSERT_TRUE(made.ok()) << made.status();
  auto server = GetParam().make_server(world_.Worker(0), {spec_, other});
  ASSERT_TRUE(server.ok()) << server.status();
  auto reader = MakeReader();
  ReaderEnd other_reader{world_.Worker(1), nullptr};
  auto made_reader = GetParam().make_reader(other_reader.context, other);
  ASSERT_TRUE(made_reader.ok()) << made_reader.status();
  other_reader.stream = *std::move(made_reader);
  ASSERT_TRUE(Publish(*publisher, {1, 1}).ok());
  ASSERT_TRUE(Publish(**made, {4, 9}).ok());
  EXPECT_TRUE(WaitFor(reader, {1, 1}));
  EXPECT_TRUE(WaitFor(other_reader, {4, 9}));
  EXPECT_EQ((*server)->Held("other"), (WeightVersion{4, 9}));
  EXPECT_EQ((*server)->Held("neither"), WeightVersion{});
}

TEST_P(WeightStreamSuite, ReadsAreWholeWhileVersionsFly) {
  constexpr uint64_t kVersions = 40;
  auto publisher = MakePublisher();
  auto server = MakeServer();
  std::vector<ReaderEnd> readers;
  for (uint32_t i = 0; i < 2; ++i) readers.push_back(MakeReader(i));
  std::vector<std::jthread> threads;
  for (ReaderEnd& reader : readers) {
    threads.emplace_back([&](const std::stop_token& stop) {
      WeightVersion last;
      while (!stop.stop_requested()) {
        const uint32_t seen = reader.context.bell->Value();
        if (reader.stream->Available() == last) {
          reader.context.bell->Wait(seen, After(std::chrono::milliseconds(5)));
          continue;
        }
        const WeightVersion now = ReadAndCheck(reader);
        EXPECT_GE(now, last);
        last = now;
      }
    });
  }
  for (uint64_t version = 1; version <= kVersions; ++version) {
    ASSERT_TRUE(Publish(*publisher, {1, version}).ok());
  }
  threads.clear();  // stops and joins: a reader belongs to one thread
  for (ReaderEnd& reader : readers) EXPECT_TRUE(WaitFor(reader, {1, kVersions}));
}

}  // namespace millrace
