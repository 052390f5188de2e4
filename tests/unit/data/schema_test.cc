#include "millrace/data/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using ::testing::ElementsAre;

std::vector<Field> SomeFields() {
  return {{"observation/state", DType::kFloat32, {4}, Extent::kStepsAndBootstrap},
          {"reward", DType::kFloat32, {}, Extent::kSteps},
          {"first", DType::kUInt8, {}, Extent::kStepsAndBootstrap},
          {"version", DType::kInt64, {}, Extent::kTime},
          {"state", DType::kFloat32, {6}, Extent::kChunks},
          {"seed", DType::kInt64, {}, Extent::kRows}};
}

TEST(Schema, HashCoversNamesTypesShapesExtentsAndOrder) {
  const uint64_t hash = Schema::Create(SomeFields())->hash();
  EXPECT_EQ(Schema::Create(SomeFields())->hash(), hash);
  auto changed = [&](auto change) {
    auto fields = SomeFields();
    change(fields);
    return Schema::Create(fields)->hash();
  };
  EXPECT_NE(changed([](auto& f) { f[1].name = "rewards"; }), hash);
  EXPECT_NE(changed([](auto& f) { f[1].dtype = DType::kFloat64; }), hash);
  EXPECT_NE(changed([](auto& f) { f[0].shape = {2, 2}; }), hash);
  EXPECT_NE(changed([](auto& f) { f[1].extent = Extent::kRows; }), hash);
  EXPECT_NE(changed([](auto& f) { std::swap(f[0], f[1]); }), hash);
  EXPECT_NE(changed([](auto& f) { f.pop_back(); }), hash);
}

TEST(Schema, RefusesBadFields) {
  auto code = [](std::vector<Field> fields) {
    return Schema::Create(std::move(fields)).status().code();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code({{"", DType::kInt32, {}, Extent::kRows}}), kInvalid);
  EXPECT_EQ(code({{"a b", DType::kInt32, {}, Extent::kRows}}), kInvalid);
  EXPECT_EQ(code({{std::string(129, 'a'), DType::kInt32, {}, Extent::kRows}}), kInvalid);
  EXPECT_EQ(code({{"a", DType::kInt32, {0}, Extent::kRows}}), kInvalid);
  EXPECT_EQ(code({{"a", DType::kInt32, {-1}, Extent::kRows}}), kInvalid);
  EXPECT_EQ(code({{"a", DType::kInt32, {1, 1, 1, 1, 1, 1, 1}, Extent::kRows}}), kInvalid);
  EXPECT_EQ(code({{"a", DType::kInt32, {int64_t{1} << 40, int64_t{1} << 40}, Extent::kRows}}),
            kInvalid);
  EXPECT_EQ(
      code({{"a", DType::kInt32, {}, Extent::kRows}, {"a", DType::kInt32, {}, Extent::kRows}}),
      kInvalid);
}

TEST(Schema, FindsFieldsByName) {
  const auto schema = Schema::Create(SomeFields());
  EXPECT_EQ(schema->Find("reward"), 1);
  EXPECT_EQ(schema->Find("none"), -1);
}

TEST(Layout, PutsFieldsOneAfterAnotherOn64ByteBounds) {
  const Layout layout(*Schema::Create(SomeFields()), {.steps = 3, .rows = 5, .chunks = 2});
  EXPECT_THAT(layout.shape(0), ElementsAre(4, 5, 4));
  EXPECT_THAT(layout.shape(1), ElementsAre(3, 5));
  EXPECT_THAT(layout.shape(2), ElementsAre(4, 5));
  EXPECT_THAT(layout.shape(3), ElementsAre(3));
  EXPECT_THAT(layout.shape(4), ElementsAre(2, 5, 6));
  EXPECT_THAT(layout.shape(5), ElementsAre(5));
  // Bytes: 4*5*4*4 = 320, 3*5*4 = 60, 4*5 = 20, 3*8 = 24, 2*5*6*4 = 240, 5*8 = 40.
  EXPECT_EQ(layout.bytes(0), 320u);
  EXPECT_EQ(layout.bytes(4), 240u);
  const std::vector<size_t> offsets = {0, 320, 384, 448, 512, 768};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(layout.offset(i), offsets[static_cast<size_t>(i)]);
  EXPECT_EQ(layout.total_bytes(), 832u);
}

TEST(Layout, ViewsShareThePayload) {
  const Layout layout(*Schema::Create(SomeFields()), {.steps = 3, .rows = 5, .chunks = 2});
  alignas(64) std::byte payload[832] = {};
  const TensorView reward = layout.View("reward", payload);
  reward.As<float>()[7] = 1.5f;  // step 1, row 2
  EXPECT_EQ(reward[1][2].As<float>()[0], 1.5f);
  EXPECT_EQ(layout.View(1, payload)[1].As<float>()[2], 1.5f);
  EXPECT_EQ(layout.View("observation/state", payload)[3][4].size(), 4);
}

TEST(LayoutDeathTest, ReadingATensorAsAnotherTypeIsABug) {
  const Layout layout(*Schema::Create(SomeFields()), {.steps = 1, .rows = 1, .chunks = 1});
  std::vector<std::byte> payload(layout.total_bytes());
  EXPECT_DEATH(layout.View("reward", payload.data()).As<int32_t>(), "wrong element type");
  EXPECT_DEATH(layout.View("none", payload.data()), "none");
}

TEST(DType, NumbersAndSizesArePartOfTheWireFormat) {
  EXPECT_EQ(DTypeFromNumber(1), DType::kFloat32);
  EXPECT_EQ(DTypeFromNumber(5), DType::kUInt8);
  EXPECT_EQ(DTypeFromNumber(0), std::nullopt);
  EXPECT_EQ(DTypeFromNumber(6), std::nullopt);
  EXPECT_EQ(SizeOf(DType::kFloat32), 4u);
  EXPECT_EQ(SizeOf(DType::kFloat64), 8u);
  EXPECT_EQ(SizeOf(DType::kInt32), 4u);
  EXPECT_EQ(SizeOf(DType::kInt64), 8u);
  EXPECT_EQ(SizeOf(DType::kUInt8), 1u);
  EXPECT_EQ(Name(DType::kInt64), "int64");
}

}  // namespace
}  // namespace millrace
