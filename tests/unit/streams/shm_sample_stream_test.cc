// What only shared memory can get wrong: damaged bytes, killed processes, zombies, leftover files.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "core/mapped_file.h"
#include "data/ledger.h"
#include "streams/shm/factory.h"
#include "streams/shm/file_slab_store.h"
#include "streams/shm/sample_slab.h"
#include "testing/stream_world.h"

namespace millrace {
namespace {

class ShmSampleStream : public ::testing::Test {
 protected:
  ShmSampleStream() {
    spec_.policy = "default";
    spec_.schema = *Schema::Create({{"reward", DType::kFloat32, {}, Extent::kSteps}});
    spec_.extents = {.steps = 8, .rows = 2, .chunks = 1};
    spec_.environments = 2;
    spec_.snapshot_capacity = 16;
  }
  std::unique_ptr<SampleProducer> MakeProducer(const StreamContext& context) {
    auto producer = MakeShmSampleProducer(context, spec_, 4);
    EXPECT_TRUE(producer.ok()) << producer.status();
    return *std::move(producer);
  }
  std::unique_ptr<SampleConsumer> MakeConsumer(const StreamContext& context) {
    auto consumer = MakeShmSampleConsumer(context, spec_);
    EXPECT_TRUE(consumer.ok()) << consumer.status();
    return *std::move(consumer);
  }
  void Post(SampleProducer& producer, uint64_t seed) {
    const auto segment = producer.Begin({.batch = seed});
    ASSERT_TRUE(segment.has_value());
    FillPattern({segment->payload, producer.layout().total_bytes()}, seed);
    ASSERT_TRUE(producer.Commit(*segment, SegmentHeader{}).ok());
  }
  SampleSlab OpenSlab(const StreamContext& context) {
    auto store = MakeFileSlabStore(context);
    EXPECT_TRUE(store.ok());
    auto slab = SampleSlab::Open(**store, SlabFile(), spec_, 0, 1);
    EXPECT_TRUE(slab.ok()) << slab.status();
    return *std::move(slab);
  }
  std::filesystem::path SlabFile() const { return world_.directory() / "sample-default-0.1"; }

  StreamWorld world_;
  SampleStreamSpec spec_;
};

TEST_F(ShmSampleStream, PayloadsAreReadInPlace) {
  const StreamContext actor = world_.Worker(0);
  auto producer = MakeProducer(actor);
  auto consumer = MakeConsumer(world_.Worker(0));
  Post(*producer, 1);
  const auto segment = consumer->Receive();
  ASSERT_TRUE(segment.has_value());
  OpenSlab(actor).payload(0)[0] = std::byte{0xAB};
  EXPECT_EQ(segment->payload[0], std::byte{0xAB});
}

TEST_F(ShmSampleStream, ADamagedHeaderIsRefusedAndItsSlotIsFreed) {
  const StreamContext actor = world_.Worker(0);
  auto producer = MakeProducer(actor);
  auto consumer = MakeConsumer(world_.Worker(0));
  const SampleSlab slab = OpenSlab(actor);
  for (uint64_t seed = 1; seed <= 4; ++seed) Post(*producer, seed);
  slab.segment(0)->snapshot_bytes = 0xFFFFFFFF;
  slab.segment(1)->rows = -7;
  slab.segment(2)->producer = 12;
  const auto segment = consumer->Receive();
  ASSERT_TRUE(segment.has_value());
  EXPECT_EQ(segment->header.sequence, 4u);
  const auto refused = consumer->TakeRefused();
  ASSERT_EQ(refused.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(refused[i].producer, 0u);
    EXPECT_EQ(refused[i].incarnation, 1u);
    EXPECT_EQ(refused[i].sequence, i + 1);
    EXPECT_EQ(refused[i].env_steps_each, 16u);
    EXPECT_EQ(refused[i].reason, DropReason::kSchema);
  }
  EXPECT_EQ(producer->unacknowledged(), 1);
  EXPECT_TRUE(consumer->TakeRefused().empty());
}

TEST_F(ShmSampleStream, WithAChecksumDamagedBytesAreRefusedAndTheirSlotIsFreed) {
  spec_.checksum = true;
  const StreamContext actor = world_.Worker(0);
  auto producer = MakeProducer(actor);
  auto consumer = MakeConsumer(world_.Worker(0));
  for (uint64_t seed = 1; seed <= 2; ++seed) Post(*producer, seed);
  OpenSlab(actor).payload(0)[5] ^= std::byte{1};
  const auto segment = consumer->Receive();
  ASSERT_TRUE(segment.has_value());
  EXPECT_EQ(segment->header.sequence, 2u);
  const auto refused = consumer->TakeRefused();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].sequence, 1u);
  EXPECT_EQ(refused[0].reason, DropReason::kCrc);
  EXPECT_EQ(producer->unacknowledged(), 1);
}

TEST_F(ShmSampleStream, NonsenseInTheSlabHeaderIsRefused) {
  const StreamContext actor = world_.Worker(0);
  auto producer = MakeProducer(actor);
  auto file = MappedFile::Open(SlabFile(), 1);
  ASSERT_TRUE(file.ok());
  (*file)->At<SampleSlabHeader>(0)->slots = 1 << 19;  // more than the file holds
  auto consumer = MakeConsumer(world_.Worker(0));
  EXPECT_TRUE(consumer->Producers().empty());
  EXPECT_FALSE(consumer->Receive().has_value());
}

TEST_F(ShmSampleStream, AZombieConsumerFreesNoSlotTwice) {
  auto producer = MakeProducer(world_.Worker(0));
  auto zombie = MakeConsumer(world_.Worker(0, 1));
  Post(*producer, 1);
  const auto stale = zombie->Receive();
  ASSERT_TRUE(stale.has_value());
  auto successor = MakeConsumer(world_.Worker(0, 2));
  const auto segment = successor->Receive();
  ASSERT_TRUE(segment.has_value());
  successor->Dispose(*segment);
  for (uint64_t seed = 2; seed <= 5; ++seed) Post(*producer, seed);  // all four slots
  zombie->Dispose(*stale);
  EXPECT_EQ(producer->unacknowledged(), 4);
  // Nor does it grant credits any more.
  EXPECT_FALSE(zombie->Grant(0, 1, {.epoch = 1}));
  EXPECT_TRUE(successor->Grant(0, 1, {.epoch = 2}));
}

TEST_F(ShmSampleStream, DisposingTwiceFreesOnce) {
  auto producer = MakeProducer(world_.Worker(0));
  auto consumer = MakeConsumer(world_.Worker(0));
  Post(*producer, 1);
  const auto first = consumer->Receive();
  ASSERT_TRUE(first.has_value());
  consumer->Dispose(*first);
  for (uint64_t seed = 2; seed <= 5; ++seed) Post(*producer, seed);
  while (consumer->Receive().has_value()) continue;
  consumer->Dispose(*first);
  EXPECT_EQ(producer->unacknowledged(), 4);
}

TEST_F(ShmSampleStream, FilesAreLeftBehindOnlyWhileTheyAreNeeded) {
  auto producer = MakeProducer(world_.Worker(0));
  producer.reset();
  EXPECT_FALSE(std::filesystem::exists(SlabFile()));  // nothing was in it

  producer = MakeProducer(world_.Worker(0));
  auto consumer = MakeConsumer(world_.Worker(0));
  Post(*producer, 1);
  producer.reset();
  EXPECT_TRUE(std::filesystem::exists(SlabFile()));
  consumer->Forget(0, 1);
  EXPECT_FALSE(std::filesystem::exists(SlabFile()));
}

TEST_F(ShmSampleStream, OnlyRankZeroRemovesTheFile) {
  auto producer = MakeProducer(world_.Worker(0));
  auto rank1 = MakeConsumer(world_.Worker(1));
  rank1->Forget(0, 1);
  EXPECT_TRUE(std::filesystem::exists(SlabFile()));
}

TEST_F(ShmSampleStream, AContextWithoutAFileForItsBellIsAnError) {
  StreamContext context = world_.Worker(0);
  context.bell_path.clear();
  EXPECT_EQ(MakeShmSampleProducer(context, spec_, 4).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeShmSampleProducer(world_.Worker(0), spec_, 0).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// The child commits as fast as slots come free until it is killed.
[[noreturn]] void ProduceForEver(const StreamContext& context, const SampleStreamSpec& spec) {
  auto producer = MakeShmSampleProducer(context, spec, 4);
  for (uint64_t seed = 1; producer.ok(); ++seed) {
    std::optional<OpenSegment> segment;
    while (!(segment = (*producer)->Begin({.batch = seed}))) ::usleep(10);
    FillPattern({segment->payload, (*producer)->layout().total_bytes()}, seed);
    if (!(*producer)->Commit(*segment, SegmentHeader{}).ok()) break;
  }
  ::_exit(1);
}

TEST_F(ShmSampleStream, AKilledProducerLeavesWholeSegmentsAndAtMostOneUndelivered) {
  const StreamContext trainer = world_.Worker(0);
  for (uint32_t incarnation = 1; incarnation <= 6; ++incarnation) {
    StreamContext actor = world_.Worker(0, incarnation);
    auto ledger = Ledger::Create(world_.directory(), {"actor", 0, incarnation, "", 0, {}});
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    actor.ledger = ledger->get();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ProduceForEver(actor, spec_);
    // The child's names are its own: the parent speaks for it.
    const std::string slab =
        world_.directory() / ("sample-default-0." + std::to_string(incarnation));
    ASSERT_TRUE(Eventually(*trainer.bell, [&] { return std::filesystem::exists(slab); }));
    ASSERT_TRUE(world_.names()
                    .Put("sample/default/producer/0",
                         "{\"incarnation\":" + std::to_string(incarnation) + ",\"slab\":\"" + slab +
                             "\",\"bell\":\"" + actor.bell_path.string() + "\"}")
                    .ok());
    auto consumer = MakeConsumer(trainer);
    uint64_t received = 0;
    const auto receive_one = [&] {
      const auto segment = consumer->Receive();
      if (!segment.has_value()) return false;
      EXPECT_EQ(segment->header.sequence, ++received);
      EXPECT_TRUE(HasPattern({segment->payload, consumer->layout().total_bytes()}, received));
      consumer->Dispose(*segment);
      return true;
    };
    EXPECT_TRUE(Eventually(*trainer.bell, [&] {
      while (received < 7 * incarnation && receive_one()) continue;
      return received >= 7 * incarnation;
    }));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (receive_one()) continue;
    const uint64_t committed = (*ledger)->committed(0);
    EXPECT_LE(received, committed);
    EXPECT_LE(committed, received + 1);
    EXPECT_TRUE(consumer->TakeRefused().empty());
    consumer->Forget(0, incarnation);
    EXPECT_FALSE(std::filesystem::exists(slab));
  }
}

}  // namespace
}  // namespace millrace
