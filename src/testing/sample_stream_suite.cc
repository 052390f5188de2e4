#include "testing/sample_stream_suite.h"

#include <gmock/gmock.h>

#include <map>
#include <thread>
#include <utility>

#include "data/ledger.h"

namespace millrace {
namespace {

SampleStreamSpec MakeSpec() {
  auto schema = Schema::Create({{"observation", DType::kFloat32, {3}, Extent::kStepsAndBootstrap},
                                {"reward", DType::kFloat32, {}, Extent::kSteps},
                                {"state", DType::kFloat32, {5}, Extent::kChunks},
                                {"flag", DType::kUInt8, {}, Extent::kRows}});
  EXPECT_TRUE(schema.ok());
  SampleStreamSpec spec;
  spec.policy = "default";
  spec.schema = *std::move(schema);
  spec.extents = {.steps = 4, .rows = 2, .chunks = 2};
  spec.environments = 2;
  spec.snapshot_capacity = 100;
  return spec;
}

std::span<const std::byte> PayloadOf(const SampleConsumer& consumer,
                                     const ReceivedSegment& segment) {
  return {segment.payload, consumer.layout().total_bytes()};
}

Credit CreditFor(uint64_t epoch, uint64_t batch, uint32_t rank = 0) {
  return {.epoch = epoch, .batch = batch, .min_version = 0, .rank = rank};
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SampleStreamSuite);

SampleTransport BuiltinSampleTransport(Transport transport, bool keeps_segments_of_dead_producers) {
  return {.name = std::string(Name(transport)),
          .make_producer =
              [transport](const StreamContext& context, const SampleStreamSpec& spec, int slots) {
                return MakeSampleProducer(transport, context, spec, slots);
              },
          .make_consumer =
              [transport](const StreamContext& context, const SampleStreamSpec& spec) {
                return MakeSampleConsumer(transport, context, spec);
              },
          .keeps_segments_of_dead_producers = keeps_segments_of_dead_producers};
}

SampleStreamSuite::SampleStreamSuite() : spec_(MakeSpec()) {}

SampleStreamSuite::ProducerEnd SampleStreamSuite::MakeProducer(uint32_t index, int slots,
                                                               uint32_t incarnation) {
  ProducerEnd end{world_.Worker(index, incarnation), nullptr};
  auto stream = GetParam().make_producer(end.context, spec_, slots);
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (stream.ok()) end.stream = *std::move(stream);
  return end;
}

SampleStreamSuite::ConsumerEnd SampleStreamSuite::MakeConsumer(uint32_t rank,
                                                               uint32_t incarnation) {
  ConsumerEnd end{world_.Worker(rank, incarnation), nullptr};
  auto stream = GetParam().make_consumer(end.context, spec_);
  EXPECT_TRUE(stream.ok()) << stream.status();
  if (stream.ok()) end.stream = *std::move(stream);
  return end;
}

void SampleStreamSuite::Post(SampleProducer& producer, uint64_t seed, uint32_t rank) {
  auto segment = producer.Begin(CreditFor(1, seed, rank));
  ASSERT_TRUE(segment.has_value()) << "no free slot for segment " << seed;
  FillPattern({segment->payload, producer.layout().total_bytes()}, seed);
  FillPattern({segment->snapshot, 10}, seed + 1);
  SegmentHeader header;
  header.group = 7;
  header.version_min = seed;
  header.version_max = seed + 2;
  header.snapshot_bytes = 10;
  const absl::Status committed = producer.Commit(*segment, header);
  ASSERT_TRUE(committed.ok()) << committed;
}

ReceivedSegment SampleStreamSuite::Receive(ConsumerEnd& consumer) {
  std::optional<ReceivedSegment> segment;
  EXPECT_TRUE(Eventually(*consumer.context.bell, [&] {
    segment = consumer.stream->Receive();
    return segment.has_value();
  })) << "no segment came";
  return segment.value_or(ReceivedSegment{});
}

bool SampleStreamSuite::WaitForProducers(ConsumerEnd& consumer, size_t count) {
  return Eventually(*consumer.context.bell,
                    [&] { return consumer.stream->Producers().size() == count; });
}

bool SampleStreamSuite::WaitForUnacknowledged(ProducerEnd& producer, int count) {
  return Eventually(*producer.context.bell,
                    [&] { return producer.stream->unacknowledged() == count; });
}

TEST_P(SampleStreamSuite, DemandReachesRankZeroAndCreditsReachTheProducer) {
  auto producer = MakeProducer(3);
  auto consumer = MakeConsumer();
  producer.stream->Want(1);
  producer.stream->Want(1);
  std::vector<ProducerStatus> producers;
  ASSERT_TRUE(EventuallyByBell(*consumer.context.bell, [&] {
    producers = consumer.stream->Producers();
    return producers.size() == 1 && producers[0].wanted == 2;
  }));
  EXPECT_EQ(producers[0].producer, 3u);
  EXPECT_EQ(producers[0].incarnation, 1u);
  EXPECT_EQ(producers[0].granted, 0u);
  EXPECT_EQ(producers[0].env_steps_each, 8u);  // T = 4 steps of E = 2 environments
  ASSERT_TRUE(consumer.stream->Grant(3, 1, CreditFor(1, 10)));
  ASSERT_TRUE(consumer.stream->Grant(3, 1, CreditFor(1, 11)));
  EXPECT_EQ(consumer.stream->Producers()[0].granted, 2u);

  std::vector<Credit> credits;
  ASSERT_TRUE(EventuallyByBell(*producer.context.bell, [&] {
    while (auto credit = producer.stream->TryCredit()) credits.push_back(*credit);
    return credits.size() == 2;
  }));
  EXPECT_THAT(credits, ::testing::ElementsAre(CreditFor(1, 10), CreditFor(1, 11)));
}

TEST_P(SampleStreamSuite, CreditsOfAnOlderEpochAreSkippedAndTheDemandStays) {
  auto producer = MakeProducer(0);
  auto consumer = MakeConsumer();
  producer.stream->Want(3);
  const auto demand = [&] {
    const auto producers = consumer.stream->Producers();
    return producers.empty() ? -1 : static_cast<int>(producers[0].wanted - producers[0].granted);
  };
  ASSERT_TRUE(Eventually(*consumer.context.bell, [&] { return demand() == 3; }));
  ASSERT_TRUE(consumer.stream->Grant(0, 1, CreditFor(5, 1)));
  std::optional<Credit> credit;
  const auto take = [&] { return (credit = producer.stream->TryCredit()).has_value(); };
  ASSERT_TRUE(Eventually(*producer.context.bell, take));
  EXPECT_EQ(credit->epoch, 5u);
  ASSERT_TRUE(consumer.stream->Grant(0, 1, CreditFor(4, 2)));
  ASSERT_TRUE(consumer.stream->Grant(0, 1, CreditFor(6, 3)));
  ASSERT_TRUE(Eventually(*producer.context.bell, take));
  EXPECT_EQ(*credit, CreditFor(6, 3));
  // 3 wanted, 3 granted, one of them void: that one is wanted still.
  EXPECT_TRUE(Eventually(*consumer.context.bell, [&] { return demand() == 1; })) << demand();
}

TEST_P(SampleStreamSuite, GrantToAnUnknownProducerFails) {
  auto producer = MakeProducer(0);
  auto consumer = MakeConsumer();
  ASSERT_TRUE(WaitForProducers(consumer, 1));
  EXPECT_FALSE(consumer.stream->Grant(9, 1, CreditFor(1, 1)));
  EXPECT_FALSE(consumer.stream->Grant(0, 2, CreditFor(1, 1)));
}

TEST_P(SampleStreamSuite, ASegmentArrivesWhole) {
  ProducerEnd producer{world_.Worker(2), nullptr};
  auto ledger = Ledger::Create(world_.directory(), {"actor", 2, 1, "", 0, {}});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  producer.context.ledger = ledger->get();
  auto stream = GetParam().make_producer(producer.context, spec_, 4);
  ASSERT_TRUE(stream.ok()) << stream.status();
  producer.stream = *std::move(stream);
  auto consumer = MakeConsumer();
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 41));
  EXPECT_EQ((*ledger)->committed(0), 1u);
  EXPECT_EQ(producer.stream->unacknowledged(), 1);

  const ReceivedSegment segment = Receive(consumer);
  ASSERT_NE(segment.payload, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(segment.payload) % 64, 0u);
  EXPECT_TRUE(HasPattern(PayloadOf(*consumer.stream, segment), 41));
  ASSERT_EQ(segment.snapshot.size(), 10u);
  EXPECT_TRUE(HasPattern(segment.snapshot, 42));
  EXPECT_EQ(segment.header.sequence, 1u);
  EXPECT_EQ(segment.header.schema_hash, spec_.schema.hash());
  EXPECT_EQ(segment.header.producer, 2u);
  EXPECT_EQ(segment.header.incarnation, 1u);
  EXPECT_EQ(segment.header.group, 7u);
  EXPECT_EQ(segment.header.environments, 2u);
  EXPECT_EQ(segment.header.steps, 4);
  EXPECT_EQ(segment.header.rows, 2);
  EXPECT_EQ(segment.header.chunks, 2);
  EXPECT_EQ(segment.header.credit, CreditFor(1, 41));
  EXPECT_EQ(segment.header.version_min, 41u);
  EXPECT_EQ(segment.header.version_max, 43u);

  consumer.stream->Dispose(segment);
  EXPECT_TRUE(WaitForUnacknowledged(producer, 0));
  EXPECT_FALSE(consumer.stream->Receive().has_value());
  EXPECT_TRUE(consumer.stream->TakeRefused().empty());
}

TEST_P(SampleStreamSuite, BellsRingForSegmentsAndForFreeSlots) {
  auto producer = MakeProducer(0, /*slots=*/1);
  auto consumer = MakeConsumer();
  std::jthread actor([&] {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      std::optional<OpenSegment> segment;
      const bool free = EventuallyByBell(*producer.context.bell, [&] {
        segment = producer.stream->Begin(CreditFor(1, seed));
        return segment.has_value();
      });
      ASSERT_TRUE(free);
      ASSERT_TRUE(producer.stream->Commit(*segment, SegmentHeader{}).ok());
    }
  });
  for (uint64_t sequence = 1; sequence <= 20; ++sequence) {
    std::optional<ReceivedSegment> segment;
    ASSERT_TRUE(EventuallyByBell(*consumer.context.bell, [&] {
      segment = consumer.stream->Receive();
      return segment.has_value();
    }));
    EXPECT_EQ(segment->header.sequence, sequence);
    consumer.stream->Dispose(*segment);
  }
}

TEST_P(SampleStreamSuite, SlotsRunOutAndComeBack) {
  auto producer = MakeProducer(0, /*slots=*/2);
  auto consumer = MakeConsumer();
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 1));
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 2));
  EXPECT_FALSE(producer.stream->Begin(CreditFor(1, 3)).has_value());
  const ReceivedSegment first = Receive(consumer);
  const ReceivedSegment second = Receive(consumer);
  EXPECT_FALSE(producer.stream->Begin(CreditFor(1, 3)).has_value());  // received, not disposed of
  consumer.stream->Dispose(second);
  EXPECT_TRUE(WaitForUnacknowledged(producer, 1));
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 3));
  EXPECT_TRUE(HasPattern(PayloadOf(*consumer.stream, first), 1));  // still in hand, untouched
  EXPECT_EQ(Receive(consumer).header.sequence, 3u);
}

TEST_P(SampleStreamSuite, AnAbandonedSegmentWasNeverProduced) {
  auto producer = MakeProducer(0, /*slots=*/1);
  auto consumer = MakeConsumer();
  const auto segment = producer.stream->Begin(CreditFor(1, 1));
  ASSERT_TRUE(segment.has_value());
  producer.stream->Abandon(*segment);
  EXPECT_EQ(producer.stream->unacknowledged(), 0);
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 5));
  const ReceivedSegment received = Receive(consumer);
  EXPECT_EQ(received.header.sequence, 1u);
  EXPECT_EQ(received.header.version_min, 5u);
}

TEST_P(SampleStreamSuite, ASnapshotThatIsTooLargeIsAnError) {
  auto producer = MakeProducer(0);
  const auto segment = producer.stream->Begin(CreditFor(1, 1));
  ASSERT_TRUE(segment.has_value());
  SegmentHeader header;
  header.snapshot_bytes = spec_.snapshot_capacity + 1;
  EXPECT_EQ(producer.stream->Commit(*segment, header).code(), absl::StatusCode::kInvalidArgument);
  producer.stream->Abandon(*segment);
}

TEST_P(SampleStreamSuite, AConsumerThatComesLaterGetsWhatWaits) {
  auto producer = MakeProducer(0);
  producer.stream->Want(2);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, seed));
  }
  auto consumer = MakeConsumer();
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    const ReceivedSegment segment = Receive(consumer);
    EXPECT_EQ(segment.header.sequence, sequence);
    EXPECT_TRUE(HasPattern(PayloadOf(*consumer.stream, segment), sequence));
  }
  ASSERT_TRUE(WaitForProducers(consumer, 1));
  EXPECT_TRUE(Eventually(*consumer.context.bell,
                         [&] { return consumer.stream->Producers()[0].wanted == 2; }));
}

TEST_P(SampleStreamSuite, ANewConsumerGetsAgainWhatTheDeadOneHadNotDisposedOf) {
  auto producer = MakeProducer(0, /*slots=*/4);
  producer.stream->Want(3);
  auto first = MakeConsumer(0, 1);
  ASSERT_TRUE(WaitForProducers(first, 1));
  ASSERT_TRUE(first.stream->Grant(0, 1, CreditFor(1, 1)));
  ASSERT_TRUE(
      Eventually(*producer.context.bell, [&] { return producer.stream->TryCredit().has_value(); }));
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, seed));
  }
  std::vector<ReceivedSegment> received;
  for (int i = 0; i < 3; ++i) received.push_back(Receive(first));
  first.stream->Dispose(received[1]);
  ASSERT_TRUE(WaitForUnacknowledged(producer, 2));
  first.stream.reset();

  auto second = MakeConsumer(0, 2);
  const ReceivedSegment oldest = Receive(second);
  EXPECT_EQ(oldest.header.sequence, 1u);
  EXPECT_TRUE(HasPattern(PayloadOf(*second.stream, oldest), 1));
  const ReceivedSegment newest = Receive(second);
  EXPECT_EQ(newest.header.sequence, 3u);
  EXPECT_FALSE(second.stream->Receive().has_value());
  second.stream->Dispose(oldest);
  second.stream->Dispose(newest);
  EXPECT_TRUE(WaitForUnacknowledged(producer, 0));
  // 3 wanted, one granted by the dead consumer: the demand that is left is 2.
  ASSERT_TRUE(WaitForProducers(second, 1));
  EXPECT_TRUE(Eventually(*second.context.bell, [&] {
    const ProducerStatus status = second.stream->Producers()[0];
    return status.wanted - status.granted == 2;
  }));
  EXPECT_TRUE(second.stream->Grant(0, 1, CreditFor(2, 1)));
}

TEST_P(SampleStreamSuite, ADeadProducerIsGoneAndItsSegmentsAreNot) {
  auto producer = MakeProducer(4);
  auto consumer = MakeConsumer();
  ASSERT_TRUE(WaitForProducers(consumer, 1));
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 1));
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 2));
  const ReceivedSegment first = Receive(consumer);
  producer.stream.reset();
  ASSERT_TRUE(WaitForProducers(consumer, 0));
  EXPECT_FALSE(consumer.stream->Grant(4, 1, CreditFor(1, 1)));
  EXPECT_TRUE(HasPattern(PayloadOf(*consumer.stream, first), 1));  // until it is disposed of
  if (GetParam().keeps_segments_of_dead_producers) {
    const ReceivedSegment second = Receive(consumer);
    EXPECT_EQ(second.header.sequence, 2u);
    EXPECT_TRUE(HasPattern(PayloadOf(*consumer.stream, second), 2));
  }
  consumer.stream->Forget(4, 1);
  EXPECT_TRUE(HasPattern(PayloadOf(*consumer.stream, first), 1));
  consumer.stream->Dispose(first);
  EXPECT_FALSE(consumer.stream->Receive().has_value());
}

TEST_P(SampleStreamSuite, ANewIncarnationStandsBesideTheOld) {
  auto old_producer = MakeProducer(4, 4, 1);
  auto consumer = MakeConsumer();
  ASSERT_TRUE(WaitForProducers(consumer, 1));
  ASSERT_NO_FATAL_FAILURE(Post(*old_producer.stream, 10));
  const ReceivedSegment old_segment = Receive(consumer);
  old_producer.stream.reset();
  auto new_producer = MakeProducer(4, 4, 2);
  ASSERT_NO_FATAL_FAILURE(Post(*new_producer.stream, 20));
  const ReceivedSegment new_segment = Receive(consumer);
  EXPECT_EQ(new_segment.header.incarnation, 2u);
  EXPECT_EQ(new_segment.header.sequence, 1u);
  EXPECT_TRUE(HasPattern(PayloadOf(*consumer.stream, old_segment), 10));
  EXPECT_TRUE(HasPattern(PayloadOf(*consumer.stream, new_segment), 20));
  consumer.stream->Dispose(old_segment);
  consumer.stream->Forget(4, 1);
  consumer.stream->Dispose(new_segment);
  EXPECT_TRUE(WaitForUnacknowledged(new_producer, 0));
  EXPECT_TRUE(WaitForProducers(consumer, 1));
  EXPECT_EQ(consumer.stream->Producers()[0].incarnation, 2u);
}

TEST_P(SampleStreamSuite, EachRankReceivesTheSegmentsThatNameIt) {
  auto producer = MakeProducer(0, /*slots=*/8);
  auto rank0 = MakeConsumer(0);
  auto rank1 = MakeConsumer(1);
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 1, 1));
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 2, 0));
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 3, 1));
  const ReceivedSegment a = Receive(rank1);
  const ReceivedSegment b = Receive(rank1);
  const ReceivedSegment c = Receive(rank0);
  EXPECT_EQ(a.header.version_min, 1u);
  EXPECT_EQ(a.header.sequence, 1u);  // sequences count within (producer, rank)
  EXPECT_EQ(b.header.version_min, 3u);
  EXPECT_EQ(b.header.sequence, 2u);
  EXPECT_EQ(c.header.version_min, 2u);
  EXPECT_EQ(c.header.sequence, 1u);
  EXPECT_FALSE(rank0.stream->Receive().has_value());
  EXPECT_FALSE(rank1.stream->Grant(0, 1, CreditFor(1, 1)));
  rank1.stream->Dispose(a);
  EXPECT_TRUE(WaitForUnacknowledged(producer, 2));
}

TEST_P(SampleStreamSuite, ManyProducersEachInOrder) {
  constexpr uint32_t kProducers = 4;
  constexpr uint64_t kSegments = 50;
  auto consumer = MakeConsumer();
  std::vector<ProducerEnd> producers;
  for (uint32_t i = 0; i < kProducers; ++i) producers.push_back({world_.Worker(i), nullptr});
  std::vector<std::jthread> threads;
  for (ProducerEnd& end : producers) {
    threads.emplace_back([&] {
      auto stream = GetParam().make_producer(end.context, spec_, 3);
      ASSERT_TRUE(stream.ok()) << stream.status();
      end.stream = *std::move(stream);
      for (uint64_t seed = 1; seed <= kSegments; ++seed) {
        ASSERT_TRUE(
            Eventually(*end.context.bell, [&] { return end.stream->unacknowledged() < 3; }));
        ASSERT_NO_FATAL_FAILURE(Post(*end.stream, seed));
      }
      ASSERT_TRUE(WaitForUnacknowledged(end, 0));
    });
  }
  std::map<uint32_t, uint64_t> last;
  for (uint64_t i = 0; i < kProducers * kSegments; ++i) {
    const ReceivedSegment segment = Receive(consumer);
    ASSERT_NE(segment.payload, nullptr);
    EXPECT_EQ(segment.header.sequence, ++last[segment.header.producer]);
    EXPECT_TRUE(HasPattern(PayloadOf(*consumer.stream, segment), segment.header.sequence));
    consumer.stream->Dispose(segment);
  }
  threads.clear();
  EXPECT_FALSE(consumer.stream->Receive().has_value());
}

TEST_P(SampleStreamSuite, AProducerWithAnotherSchemaIsRefused) {
  auto consumer = MakeConsumer();
  SampleStreamSpec other = spec_;
  other.schema = *Schema::Create({{"reward", DType::kFloat64, {}, Extent::kSteps}});
  ProducerEnd stranger{world_.Worker(0), nullptr};
  auto stream = GetParam().make_producer(stranger.context, other, 4);
  ASSERT_TRUE(stream.ok()) << stream.status();
  stranger.stream = *std::move(stream);
  const auto segment = stranger.stream->Begin(CreditFor(1, 1));
  ASSERT_TRUE(segment.has_value());
  ASSERT_TRUE(stranger.stream->Commit(*segment, SegmentHeader{}).ok());

  auto producer = MakeProducer(1);
  ASSERT_NO_FATAL_FAILURE(Post(*producer.stream, 9));
  EXPECT_EQ(Receive(consumer).header.producer, 1u);
  ASSERT_TRUE(WaitForProducers(consumer, 1));
  EXPECT_EQ(consumer.stream->Producers()[0].producer, 1u);
  EXPECT_FALSE(consumer.stream->Grant(0, 1, CreditFor(1, 1)));
  EXPECT_FALSE(consumer.stream->Receive().has_value());
}

TEST_P(SampleStreamSuite, AProducerWithOtherExtentsIsRefused) {
  auto consumer = MakeConsumer();
  SampleStreamSpec other = spec_;
  other.extents.steps = 5;
  ProducerEnd stranger{world_.Worker(0), nullptr};
  auto stream = GetParam().make_producer(stranger.context, other, 4);
  ASSERT_TRUE(stream.ok()) << stream.status();
  stranger.stream = *std::move(stream);
  auto producer = MakeProducer(1);
  ASSERT_TRUE(WaitForProducers(consumer, 1));
  EXPECT_EQ(consumer.stream->Producers()[0].producer, 1u);
}

}  // namespace millrace
