#include "streams/observation_codec.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "gtest/gtest.h"
#include "millrace/core/rng.h"
#include "testing/stream_world.h"

namespace millrace {
namespace {

using Bytes = std::vector<std::byte>;

// Observations of several kinds between fields that are none.
Layout MakeLayout(const Extents& extents) {
  return Layout(
      *Schema::Create({{"reward", DType::kFloat32, {}, Extent::kSteps},
                       {"observation/position", DType::kFloat32, {5}, Extent::kStepsAndBootstrap},
                       {"observation/image", DType::kUInt8, {3, 3}, Extent::kStepsAndBootstrap},
                       {"observation/goal", DType::kFloat32, {}, Extent::kRows},
                       {"observation/joints", DType::kFloat64, {3}, Extent::kSteps},
                       {"log_prob", DType::kFloat32, {}, Extent::kSteps}}),
      extents);
}

// Smooth walks, of sizes that differ by feature: the third does not move, the fourth is far from 0.
void FillWalks(const Layout& layout, uint64_t seed, Bytes& payload) {
  Rng rng(seed, 0);
  payload.assign(layout.total_bytes(), std::byte{});
  for (size_t i = 0; i < layout.schema().fields().size(); ++i) {
    const TensorView view = layout.View(static_cast<int>(i), payload.data());
    if (view.dtype == DType::kUInt8) {
      for (uint8_t& pixel : view.As<uint8_t>()) pixel = static_cast<uint8_t>(rng.Below(256));
      continue;
    }
    if (view.dtype == DType::kFloat64) {
      double joint = 0;
      for (double& number : view.As<double>()) number = joint += rng.Normal();
      continue;
    }
    const auto numbers = view.As<float>();
    const int64_t rows = layout.extents().rows, features = i == 1 ? 5 : 1;
    for (int64_t n = 0; n < view.size(); ++n) {
      const int64_t feature = n % features;
      const float last =
          n >= rows * features ? numbers[static_cast<size_t>(n - rows * features)] : 0;
      const double size = feature == 2 ? 0 : std::pow(10.0, static_cast<double>(feature) - 3);
      numbers[static_cast<size_t>(n)] = last + static_cast<float>(size * rng.Normal());
      if (n < rows * features && feature == 3) numbers[static_cast<size_t>(n)] += 1e4F;
    }
  }
}

template <typename T>
double DeviationOf(std::span<const T> numbers, int64_t feature, int64_t features) {
  double sum = 0, squares = 0, count = 0;
  for (size_t i = static_cast<size_t>(feature); i < numbers.size();
       i += static_cast<size_t>(features), ++count) {
    sum += numbers[i];
  }
  for (size_t i = static_cast<size_t>(feature); i < numbers.size();
       i += static_cast<size_t>(features)) {
    squares += (numbers[i] - sum / count) * (numbers[i] - sum / count);
  }
  return std::sqrt(squares / count);
}

Bytes Translated(ObservationCodec& codec, const Layout& layout, const Bytes& payload) {
  Bytes encoded, decoded(layout.total_bytes(), std::byte{0x55});
  codec.Encode(payload.data(), encoded);
  EXPECT_LE(encoded.size(), codec.max_bytes());
  const absl::Status status = codec.Decode(encoded, decoded.data());
  EXPECT_TRUE(status.ok()) << status;
  return decoded;
}

template <typename T>
void ExpectWithin(const Layout& layout, const char* name, Bytes& payload, Bytes& decoded,
                  int64_t features, double error) {
  const std::span<const T> before = layout.View(name, payload.data()).As<T>();
  const std::span<const T> after = layout.View(name, decoded.data()).As<T>();
  for (int64_t feature = 0; feature < features; ++feature) {
    const double bound = error * DeviationOf(before, feature, features);
    for (auto i = static_cast<size_t>(feature); i < before.size();
         i += static_cast<size_t>(features)) {
      ASSERT_LE(std::fabs(static_cast<double>(before[i]) - after[i]), bound * (1 + 1e-6))
          << name << ", feature " << feature << " at " << i;
    }
  }
}

TEST(ObservationCodec, ErrorsStayWithinTheBound) {
  for (const Extents extents : {Extents{.steps = 64, .rows = 8}, Extents{.steps = 1, .rows = 1},
                                Extents{.steps = 3, .rows = 17}}) {
    const Layout layout = MakeLayout(extents);
    Bytes payload;
    for (const double error : {1e-2, 1e-3, 1e-4}) {
      ObservationCodec codec(layout, {.encoding = ObservationEncoding::kBounded, .error = error});
      FillWalks(layout, 7, payload);
      Bytes decoded = Translated(codec, layout, payload);
      for (const char* name : {"reward", "observation/image", "log_prob"}) {
        const TensorView before = layout.View(name, payload.data());
        const TensorView after = layout.View(name, decoded.data());
        EXPECT_EQ(std::memcmp(before.data, after.data, before.bytes()), 0) << name;
      }
      ExpectWithin<float>(layout, "observation/position", payload, decoded, 5, error);
      ExpectWithin<double>(layout, "observation/joints", payload, decoded, 3, error);
    }
  }
}

TEST(ObservationCodec, SmoothObservationsTakeAFractionOfTheBytes) {
  const Layout layout = MakeLayout({.steps = 128, .rows = 16});
  Bytes payload, half, bounded;
  FillWalks(layout, 3, payload);
  ObservationCodec halves(layout, {.encoding = ObservationEncoding::kBfloat16});
  ObservationCodec codec(layout, {.encoding = ObservationEncoding::kBounded, .error = 1e-2});
  halves.Encode(payload.data(), half);
  codec.Encode(payload.data(), bounded);
  const auto bytes_of = [&](const char* name) { return layout.bytes(layout.schema().Find(name)); };
  const size_t singles = bytes_of("observation/position") + bytes_of("observation/goal");
  const size_t doubles = bytes_of("observation/joints");
  const size_t others = half.size() - singles / 2 - doubles / 4;
  EXPECT_LT(bounded.size() - others, (singles + doubles) / 4);
}

TEST(ObservationCodec, WhatIsNotFiniteOrTooCoarseIsKept) {
  const Layout layout = MakeLayout({.steps = 16, .rows = 4});
  Bytes payload;
  FillWalks(layout, 9, payload);
  const auto numbers = layout.View("observation/position", payload.data()).As<float>();
  numbers[5 * 7] = std::numeric_limits<float>::quiet_NaN();
  numbers[5 * 9 + 1] = std::numeric_limits<float>::infinity();
  for (size_t i = 3; i < numbers.size(); i += 5) numbers[i] = 1e9F + static_cast<float>(i % 3) * 64;
  ObservationCodec codec(layout, {.encoding = ObservationEncoding::kBounded, .error = 1e-3});
  Bytes decoded = Translated(codec, layout, payload);
  const auto after = layout.View("observation/position", decoded.data()).As<float>();
  for (const size_t feature : {0, 1, 2, 3}) {
    for (size_t i = feature; i < numbers.size(); i += 5) {
      ASSERT_EQ(std::bit_cast<uint32_t>(after[i]), std::bit_cast<uint32_t>(numbers[i])) << i;
    }
  }
}

TEST(ObservationCodec, RoundsToTheNearestBfloat16) {
  const Layout layout = MakeLayout({.steps = 16, .rows = 4});
  Bytes payload;
  FillWalks(layout, 9, payload);
  const auto numbers = layout.View("observation/position", payload.data()).As<float>();
  numbers[0] = std::numeric_limits<float>::quiet_NaN();
  numbers[1] = -std::numeric_limits<float>::infinity();
  numbers[2] = std::bit_cast<float>(0x3F808000U);  // a tie, to even
  ObservationCodec codec(layout, {.encoding = ObservationEncoding::kBfloat16});
  Bytes decoded = Translated(codec, layout, payload);
  const auto after = layout.View("observation/position", decoded.data()).As<float>();
  EXPECT_TRUE(std::isnan(after[0]));
  EXPECT_EQ(after[1], numbers[1]);
  EXPECT_EQ(after[2], 1.0F);
  for (size_t i = 3; i < numbers.size(); ++i) {
    ASSERT_LE(std::fabs(after[i] - numbers[i]), std::fabs(numbers[i]) / 256) << i;
  }
}

TEST(ObservationCodec, ForeignBytesAreRefusedOrHarmless) {
  const Layout layout = MakeLayout({.steps = 8, .rows = 3});
  Bytes payload, encoded, decoded(layout.total_bytes());
  FillWalks(layout, 5, payload);
  for (const auto encoding : {ObservationEncoding::kBounded, ObservationEncoding::kBfloat16}) {
    ObservationCodec codec(layout, {.encoding = encoding, .error = 1e-3});
    codec.Encode(payload.data(), encoded);
    for (size_t size = 0; size < encoded.size(); ++size) {
      EXPECT_FALSE(codec.Decode(std::span(encoded).first(size), decoded.data()).ok()) << size;
    }
    Bytes longer = encoded;
    longer.push_back(std::byte{});
    EXPECT_FALSE(codec.Decode(longer, decoded.data()).ok());
    Rng rng(1, 0);
    for (int round = 0; round < 3000; ++round) {
      Bytes damaged = encoded;
      for (uint64_t i = 0; i <= rng.Below(4); ++i) {
        damaged[rng.Below(damaged.size())] = static_cast<std::byte>(rng.Below(256));
      }
      codec.Decode(damaged, decoded.data()).IgnoreError();
    }
  }
}

struct Ends {
  StreamWorld world;
  SampleStreamSpec spec;
  std::unique_ptr<SampleConsumer> consumer;
  std::unique_ptr<SampleProducer> producer;
  StreamContext consumer_context, producer_context;

  Ends(const ObservationCodecOptions& sent, const ObservationCodecOptions& received) {
    const Layout layout = MakeLayout({.steps = 8, .rows = 3});
    spec = {.policy = "default",
            .schema = layout.schema(),
            .extents = layout.extents(),
            .environments = 3,
            .snapshot_capacity = 10,
            .observations = received};
    consumer_context = world.Worker(0);
    producer_context = world.Worker(1);
    consumer = *MakeSampleConsumer(Transport::kZmq, consumer_context, spec);
    spec.observations = sent;
    producer = *MakeSampleProducer(Transport::kZmq, producer_context, spec, 4);
  }
};

TEST(ObservationCodec, SegmentsOverSocketsAreEncoded) {
  for (const auto encoding : {ObservationEncoding::kBounded, ObservationEncoding::kBfloat16}) {
    const ObservationCodecOptions options = {.encoding = encoding, .error = 1e-2};
    Ends ends(options, options);
    ends.producer->Want(1);
    ASSERT_TRUE(Eventually(*ends.consumer_context.bell,
                           [&] { return ends.consumer->Producers().size() == 1; }));
    ASSERT_TRUE(ends.consumer->Grant(1, 1, Credit{}));
    std::optional<Credit> credit;
    ASSERT_TRUE(Eventually(*ends.producer_context.bell, [&] {
      credit = ends.producer->TryCredit();
      return credit.has_value();
    }));
    const auto open = ends.producer->Begin(*credit);
    ASSERT_TRUE(open.has_value());
    Bytes payload;
    FillWalks(ends.producer->layout(), 3, payload);
    std::ranges::copy(payload, open->payload);
    std::memset(open->snapshot, 7, 10);
    SegmentHeader header;
    header.snapshot_bytes = 10;
    ASSERT_TRUE(ends.producer->Commit(*open, header).ok());
    std::optional<ReceivedSegment> segment;
    ASSERT_TRUE(Eventually(*ends.consumer_context.bell, [&] {
      segment = ends.consumer->Receive();
      return segment.has_value();
    }));
    ObservationCodec codec(ends.producer->layout(), options);
    const Bytes expected = Translated(codec, ends.producer->layout(), payload);
    for (size_t i = 0; i < ends.spec.schema.fields().size(); ++i) {
      const size_t offset = ends.producer->layout().offset(static_cast<int>(i));
      const size_t bytes = ends.producer->layout().bytes(static_cast<int>(i));
      EXPECT_EQ(std::memcmp(segment->payload + offset, expected.data() + offset, bytes), 0) << i;
    }
    EXPECT_EQ(segment->snapshot.size(), 10U);
    EXPECT_EQ(segment->snapshot[9], std::byte{7});
    ends.consumer->Dispose(*segment);
    EXPECT_TRUE(Eventually(*ends.producer_context.bell,
                           [&] { return ends.producer->unacknowledged() == 0; }));
  }
}

}  // namespace
}  // namespace millrace
