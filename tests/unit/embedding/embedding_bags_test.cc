#include "embedding/embedding_bags.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "millrace/core/rng.h"

namespace millrace::embedding {
namespace {

constexpr int64_t kSamples = 3000;

// Two features of one table, one of which is averaged, and one of another.
std::unique_ptr<EmbeddingBags> MakeBags(int threads) {
  std::vector<EmbeddingTable> tables;
  for (const TableOptions& options :
       {TableOptions{.name = "item", .rows = 50, .columns = 24, .initial_range = 1},
        TableOptions{.name = "user",
        .rows = 3000,
        .columns = 16,
        .type = RowType::kBfloat16,
        .optimizer = Optimizer::kAdam,
        .initial_range = 1}}) {
    auto table = EmbeddingTable::Create(options, 1);
    EXPECT_TRUE(table.ok()) << table.status();
    tables.push_back(*std::move(table));
  }
  auto bags = EmbeddingBags::Create(std::move(tables),
                                    {{.name = "seen", .table = 0, .pooling = Pooling::kMean},
                                     {.name = "user", .table = 1},
                                     {.name = "bought", .table = 0}},
                                    threads);
  EXPECT_TRUE(bags.ok()) << bags.status();
  return *std::move(bags);
}

struct Batch {
  std::vector<int32_t> lengths;
  std::vector<int64_t> ids;
  JaggedIds view() const { return {lengths, ids, kSamples}; }
};

Batch MakeBatch(uint64_t stream) {
  Rng rng(2, stream);
  Batch batch;
  for (const uint64_t rows : {50, 3000, 50}) {
    for (int64_t sample = 0; sample < kSamples; ++sample) {
      batch.lengths.push_back(static_cast<int32_t>(rng.Below(5)));
      for (int32_t i = 0; i < batch.lengths.back(); ++i) {
        batch.ids.push_back(static_cast<int64_t>(rng.Below(rows)));
      }
    }
  }
  return batch;
}

TEST(EmbeddingBags, FeaturesLieSideBySide) {
  const auto bags = MakeBags(1);
  EXPECT_EQ(bags->width(), 32 + 16 + 32);
  const Batch batch = MakeBatch(1);
  ASSERT_TRUE(bags->SetBatch(batch.view()).ok());
  std::vector<float> out(static_cast<size_t>(kSamples * bags->width()), 7.0F);
  bags->Forward(out.data());
  size_t at = 0;
  for (int64_t f = 0; f < 3; ++f) {
    const Feature& feature = bags->features()[static_cast<size_t>(f)];
    const EmbeddingTable& table = bags->tables()[static_cast<size_t>(feature.table)];
    for (int64_t sample = 0; sample < kSamples; ++sample) {
      const int32_t length = batch.lengths[static_cast<size_t>(f * kSamples + sample)];
      std::vector<float> sum(static_cast<size_t>(PadColumns(table.options().columns)));
      for (int32_t i = 0; i < length; ++i) {
        const auto row = table.Row(batch.ids[at++]);
        for (size_t c = 0; c < row.size(); ++c) sum[c] += row[c];
      }
      for (size_t c = 0; c < sum.size(); ++c) {
        if (feature.pooling == Pooling::kMean && length > 0) sum[c] /= static_cast<float>(length);
        ASSERT_EQ(out[static_cast<size_t>(sample * bags->width() + bags->offset(f)) + c], sum[c]);
      }
    }
  }
}

// Finite differences of a sum of weighted outputs, by steps of SGD's size.
TEST(EmbeddingBags, RowsMoveAgainstTheGradientOfAllFeaturesThatReadThem) {
  std::vector<EmbeddingTable> tables;
  tables.push_back(*EmbeddingTable::Create(
      {.name = "t", .rows = 4, .columns = 16, .optimizer = Optimizer::kSgd, .initial_range = 1},
      1));
  const auto bags = *EmbeddingBags::Create(
      std::move(tables),
      {{.name = "mean", .table = 0, .pooling = Pooling::kMean}, {.name = "sum", .table = 0}}, 1);
  const std::vector<int32_t> lengths = {2, 0, /*sum:*/ 1, 3};
  const std::vector<int64_t> ids = {1, 2, /*sum:*/ 1, 3, 3, 1};
  ASSERT_TRUE(bags->SetBatch({lengths, ids, 2}).ok());
  std::vector<std::vector<float>> before;
  for (int64_t id = 0; id < 4; ++id) before.push_back(bags->tables()[0].Row(id));
  std::vector<float> gradients(static_cast<size_t>(2 * bags->width()));
  for (size_t i = 0; i < gradients.size(); ++i) {  // by feature and sample: 1, 10, 100, 1000
    gradients[i] = (i < 32 ? (i < 16 ? 1.0F : 10.0F) : (i < 48 ? 100.0F : 1000.0F));
  }
  bags->Update(gradients.data(), {.learning_rate = 0.5F});
  // Row 1: half of the first bag's mean, the second bag's sum twice (samples 0 and 1).
  const float expected[] = {0, 0.5F + 10 + 1000, 0.5F, 2000};
  for (int64_t id = 0; id < 4; ++id) {
    const auto after = bags->tables()[0].Row(id);
    for (size_t c = 0; c < after.size(); ++c) {
      EXPECT_NEAR(before[static_cast<size_t>(id)][c] - after[c], 0.5F * expected[id], 1e-3);
    }
  }
}

TEST(EmbeddingBags, HaveTheSameBitsWithMoreThreads) {
  const auto one = MakeBags(1), three = MakeBags(3);
  for (uint64_t n = 1; n <= 4; ++n) {
    const Batch batch = MakeBatch(n);
    std::vector<float> outs[2];
    for (int i = 0; i < 2; ++i) {
      EmbeddingBags& bags = i == 0 ? *one : *three;
      ASSERT_TRUE(bags.SetBatch(batch.view()).ok());
      outs[i].resize(static_cast<size_t>(kSamples * bags.width()));
      bags.Forward(outs[i].data());
      bags.Update(outs[i].data(), {.learning_rate = 0.05F,
                                   .correction1 = 0.1F,
                                   .correction2 = 0.001F,
                                   .stochastic_rounding = true,
                                   .rounding_key = static_cast<uint32_t>(n)});
    }
    EXPECT_EQ(outs[0], outs[1]);
  }
  for (size_t t = 0; t < 2; ++t) {
    EXPECT_TRUE(std::ranges::equal(one->tables()[t].slab(), three->tables()[t].slab()));
  }
}

TEST(EmbeddingBags, AnEmptyBatchIsOne) {
  const auto bags = MakeBags(2);
  bags->Forward(nullptr);  // before the first one
  bags->Update(nullptr, {});
  ASSERT_TRUE(bags->SetBatch({}).ok());
  bags->Forward(nullptr);
  bags->Update(nullptr, {});
}

TEST(EmbeddingBags, BatchesThatCannotBeAreRefusedAndNothingChanges) {
  const auto bags = MakeBags(1);
  const auto error = [&](const Batch& batch) {
    const absl::Status status = bags->SetBatch(batch.view());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  Batch batch = MakeBatch(1);
  batch.lengths.pop_back();
  EXPECT_EQ(error(batch), "jagged ids: expected 3 x 3000 lengths, got 8999");
  batch = MakeBatch(1);
  batch.lengths[kSamples + 2] = -3;
  EXPECT_EQ(error(batch), "feature user, sample 2: length -3");
  batch = MakeBatch(1);
  batch.ids.push_back(0);
  EXPECT_EQ(error(batch), "jagged ids: expected " + std::to_string(batch.ids.size() - 1) +
                              " ids, the sum of the lengths, got " +
                              std::to_string(batch.ids.size()));
  batch = MakeBatch(1);
  batch.ids.back() = 50;
  EXPECT_NE(error(batch).find("feature bought: embedding table item: expected ids from 0 to 49"),
            std::string::npos);
  bags->Update(nullptr, {});  // of nothing
  EXPECT_FALSE(EmbeddingBags::Create({}, {{.name = "x", .table = 0}}, 1).ok());
}

}  // namespace
}  // namespace millrace::embedding
