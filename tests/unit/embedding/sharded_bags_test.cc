#include "embedding/sharded_bags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <thread>

#include "collectives/shm_group.h"
#include "millrace/core/rng.h"

namespace millrace::embedding {
namespace {

using testing::HasSubstr;

constexpr int64_t kSamples = 60;  // of a batch
constexpr int kSteps = 5;
constexpr uint64_t kSeed = 3;

std::vector<TableOptions> Tables(Optimizer optimizer) {
  return {{.name = "item", .rows = 3000, .columns = 200, .optimizer = optimizer},
          {.name = "user", .rows = 50, .columns = 128, .optimizer = optimizer},
          {.name = "shop",
           .rows = 700,
           .columns = 24,
           .type = RowType::kBfloat16,
           .optimizer = optimizer}};
}
// Two of one table.
std::vector<Feature> Features() {
  return {{.name = "seen", .table = 0, .pooling = Pooling::kMean},
          {.name = "user", .table = 1},
          {.name = "bought", .table = 0},
          {.name = "shop", .table = 2}};
}

// Ids of some samples of a batch; one occurs again and again.
struct Batch {
  std::vector<int32_t> lengths;
  std::vector<int64_t> ids;
  int64_t samples;
  JaggedIds view() const { return {lengths, ids, samples}; }
};
Batch MakeBatch(uint64_t number, int64_t begin, int64_t end) {
  const auto tables = Tables(Optimizer::kSgd);
  Batch batch{.lengths = {}, .ids = {}, .samples = end - begin};
  for (size_t f = 0; f < Features().size(); ++f) {
    for (int64_t sample = begin; sample < end; ++sample) {
      Rng rng(number, f, static_cast<uint64_t>(sample) << 32);
      batch.lengths.push_back(static_cast<int32_t>(rng.Below(6)));
      const auto rows =
          static_cast<uint64_t>(tables[static_cast<size_t>(Features()[f].table)].rows);
      for (int32_t i = 0; i < batch.lengths.back(); ++i) {
        batch.ids.push_back(rng.Below(3) == 0 ? 7 : static_cast<int64_t>(rng.Below(rows)));
      }
    }
  }
  return batch;
}

std::vector<float> MakeGradients(uint64_t number, int64_t begin, int64_t end, int64_t width) {
  std::vector<float> gradients;
  for (int64_t sample = begin; sample < end; ++sample) {
    Rng rng(number, 99, static_cast<uint64_t>(sample) << 32);
    for (int64_t c = 0; c < width; ++c) gradients.push_back(static_cast<float>(rng.Normal()));
  }
  return gradients;
}

UpdateStep StepOf(int number) {
  return {.learning_rate = 0.1F,
          .correction1 = 0.5F,
          .correction2 = 0.25F,
          .stochastic_rounding = true,
          .rounding_key = static_cast<uint32_t>(number)};
}

// Tables of one process, and what they give.
struct Expected {
  std::unique_ptr<EmbeddingBags> bags;
  std::vector<std::vector<float>> out;  // of each step
};
Expected TrainAlone(Optimizer optimizer) {
  std::vector<EmbeddingTable> tables;
  for (const TableOptions& options : Tables(optimizer)) {
    tables.push_back(*EmbeddingTable::Create(options, kSeed));
  }
  Expected expected;
  expected.bags = *EmbeddingBags::Create(std::move(tables), Features(), 1);
  for (int n = 0; n < kSteps; ++n) {
    const Batch batch = MakeBatch(static_cast<uint64_t>(n), 0, kSamples);
    EXPECT_TRUE(expected.bags->SetBatch(batch.view()).ok());
    auto& out = expected.out.emplace_back(static_cast<size_t>(kSamples * expected.bags->width()));
    expected.bags->Forward(out.data());
    expected.bags->Update(
        MakeGradients(static_cast<uint64_t>(n), 0, kSamples, expected.bags->width()).data(),
        StepOf(n));
  }
  return expected;
}

// The parts of a row's state that belong to a shard's columns.
std::vector<float> StateOf(const Rows& table, int64_t place, const Shard& shard) {
  const float* const state = table.state + place * table.state_size;
  const int64_t padded = PadColumns(table.columns);
  const int64_t begin = shard.first_column - table.first_column;
  std::vector<float> numbers;
  for (int64_t part = 0; part < table.state_size; part += padded) {
    const int64_t left = table.state_size - part;
    if (left < padded) {  // of the row as a whole
      numbers.insert(numbers.end(), state + part, state + part + left);
    } else {
      numbers.insert(numbers.end(), state + part + begin, state + part + begin + shard.columns);
    }
  }
  return numbers;
}

void ExpectSameRows(const EmbeddingTable& shard, const EmbeddingTable& whole) {
  const Shard& part = shard.shard();
  for (int64_t place = 0; place < part.rows; ++place) {
    const int64_t id = part.first_row + place;
    const auto row = shard.Row(id), all = whole.Row(id);
    ASSERT_TRUE(std::equal(row.begin(), row.end(), all.begin() + part.first_column))
        << shard.options().name << " " << id;
    ASSERT_EQ(StateOf(shard.rows(), place, part), StateOf(whole.rows(), id, part))
        << shard.options().name << " " << id;
  }
}

template <typename RankMain>
void WithRanks(int size, RankMain rank_main) {
  static std::atomic<int> count{0};
  const auto file = std::filesystem::path(testing::TempDir()) /
                    ("sharded_bags." + std::to_string(::getpid()) + "." + std::to_string(count++));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([=] {
      auto group = ShmGroup::Join(
          {.file = file, .rank = rank, .size = size, .timeout = std::chrono::seconds(20)});
      ASSERT_TRUE(group.ok()) << group.status();
      rank_main(**group);
    });
  }
}

enum class Scheme { kTableWise, kRowWise, kColumnWise, kGrid, kReplicated, kMixed };

TablePlan MakePlan(Scheme scheme, Optimizer optimizer, int ranks) {
  const auto tables = Tables(optimizer);
  if (scheme == Scheme::kTableWise) return PlanTableWise(tables, ranks);
  std::vector<int> all(static_cast<size_t>(ranks));
  std::iota(all.begin(), all.end(), 0);
  TablePlan plan;
  for (size_t t = 0; t < tables.size(); ++t) {
    const auto table = static_cast<int>(t);
    const auto cut = [&](int rows, int columns) {
      AddTable(table, tables[t], rows, columns, all, plan);
    };
    switch (scheme) {
      case Scheme::kRowWise:
        cut(ranks, 1);
        break;
      case Scheme::kColumnWise:
        cut(1, 3);
        break;
      case Scheme::kGrid:
        cut(ranks, 2);
        break;
      case Scheme::kMixed:
        if (t == 0) cut(3, 2);
        if (t == 1) AddReplicatedTable(table, tables[t], plan);
        if (t == 2) AddTable(table, tables[t], 1, 1, std::span(all).last(1), plan);
        break;
      default:
        AddReplicatedTable(table, tables[t], plan);
    }
  }
  return plan;
}

void ExpectSameAsAlone(const TablePlan& plan, const Expected& expected, Optimizer optimizer,
                       int ranks) {
  WithRanks(ranks, [&, ranks](ShmGroup& group) {
    auto bags = ShardedBags::Create({.tables = Tables(optimizer),
                                     .features = Features(),
                                     .plan = plan,
                                     .rank = group.rank(),
                                     .ranks = ranks,
                                     .seed = kSeed,
                                     .threads = 1 + group.rank() % 2});
    ASSERT_TRUE(bags.ok()) << bags.status();
    const int64_t width = (*bags)->width();
    ASSERT_EQ(width, expected.bags->width());
    for (int n = 0; n < kSteps; ++n) {
      // Unequal parts; in one batch the first of them has none.
      const auto cut = [&](int rank) {
        if (rank == 0 || rank == ranks) return rank == 0 ? 0 : kSamples;
        return n == 2 ? (rank - 1) * kSamples / ranks : rank * kSamples / ranks - rank;
      };
      const int64_t begin = cut(group.rank()), end = cut(group.rank() + 1);
      const Batch batch = MakeBatch(static_cast<uint64_t>(n), begin, end);
      ASSERT_TRUE((*bags)->SetBatch(batch.view(), group).ok());
      std::vector<float> out(static_cast<size_t>((end - begin) * width));
      ASSERT_TRUE((*bags)->Forward(out.data(), group).ok());
      ASSERT_TRUE(std::equal(out.begin(), out.end(),
                             expected.out[static_cast<size_t>(n)].begin() + begin * width));
      const auto gradients = MakeGradients(static_cast<uint64_t>(n), begin, end, width);
      ASSERT_TRUE((*bags)->Update(gradients.data(), StepOf(n), group).ok());
    }
    for (const EmbeddingTable& shard : (*bags)->shards()) {
      const auto whole =
          std::ranges::find(expected.bags->tables(), shard.options().name,
                            [](const EmbeddingTable& table) { return table.options().name; });
      ExpectSameRows(shard, *whole);
    }
  });
}

class ShardedBagsOf : public testing::TestWithParam<Optimizer> {};

TEST_P(ShardedBagsOf, HaveTheSameBitsHoweverTablesAreCutAndSamplesAreDealt) {
  const Expected expected = TrainAlone(GetParam());
  for (const Scheme scheme : {Scheme::kTableWise, Scheme::kRowWise, Scheme::kColumnWise,
                              Scheme::kGrid, Scheme::kReplicated, Scheme::kMixed}) {
    for (const int ranks : {1, 2, 3, 4}) {
      SCOPED_TRACE(testing::Message() << "scheme " << static_cast<int>(scheme) << ", " << ranks);
      ExpectSameAsAlone(MakePlan(scheme, GetParam(), ranks), expected, GetParam(), ranks);
      if (testing::Test::HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Optimizers, ShardedBagsOf,
                         testing::Values(Optimizer::kSgd, Optimizer::kAdaGrad,
                                         Optimizer::kRowwiseAdaGrad, Optimizer::kAdam,
                                         Optimizer::kRowwiseAdam));

// What all samples' bags are after some steps, with numbers that are rounded on their way.
std::vector<float> TrainRounded(WireType bags_type, WireType gradients_type, int ranks) {
  const auto tables = Tables(Optimizer::kSgd);
  std::vector<std::vector<float>> parts(static_cast<size_t>(ranks));
  WithRanks(ranks, [&, ranks](ShmGroup& group) {
    auto bags = ShardedBags::Create({.tables = tables,
                                     .features = Features(),
                                     .plan = PlanTableWise(tables, ranks),
                                     .rank = group.rank(),
                                     .ranks = ranks,
                                     .seed = kSeed,
                                     .bags = bags_type,
                                     .gradients = gradients_type});
    ASSERT_TRUE(bags.ok()) << bags.status();
    const int64_t begin = kSamples * group.rank() / ranks;
    const int64_t end = kSamples * (group.rank() + 1) / ranks;
    std::vector<float>& out = parts[static_cast<size_t>(group.rank())];
    out.resize(static_cast<size_t>((end - begin) * (*bags)->width()));
    for (int n = 0; n < kSteps; ++n) {
      const auto number = static_cast<uint64_t>(n);
      ASSERT_TRUE((*bags)->SetBatch(MakeBatch(number, begin, end).view(), group).ok());
      ASSERT_TRUE((*bags)->Forward(out.data(), group).ok());
      const auto gradients = MakeGradients(number, begin, end, (*bags)->width());
      ASSERT_TRUE((*bags)->Update(gradients.data(), StepOf(n), group).ok());
    }
  });
  std::vector<float> all;
  for (const std::vector<float>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(ShardedBags, NumbersAreRoundedOnTheirWayWhoeverHasTheTables) {
  const auto exact = TrainRounded(WireType::kFloat32, WireType::kFloat32, 2);
  const auto rounded = TrainRounded(WireType::kFloat16, WireType::kBfloat16, 1);
  EXPECT_NE(rounded, exact);
  for (const int ranks : {2, 3}) {
    EXPECT_EQ(TrainRounded(WireType::kFloat16, WireType::kBfloat16, ranks), rounded) << ranks;
  }
  const auto coarse = TrainRounded(WireType::kInt8, WireType::kInt8, 2);
  for (const auto* numbers : {&rounded, &coarse}) {
    double error = 0, size = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      error += std::pow((*numbers)[i] - exact[i], 2);
      size += std::pow(exact[i], 2);
    }
    EXPECT_LT(std::sqrt(error / size), numbers == &coarse ? 0.02 : 0.005);
  }
}

TEST(ShardedBags, RefuseIdsThatThereAreNotBeforeAnythingIsSent) {
  const auto tables = Tables(Optimizer::kSgd);
  WithRanks(2, [&](ShmGroup& group) {
    auto bags = ShardedBags::Create({.tables = tables,
                                     .features = Features(),
                                     .plan = PlanTableWise(tables, 2),
                                     .rank = group.rank(),
                                     .ranks = 2});
    ASSERT_TRUE(bags.ok()) << bags.status();
    const std::vector<int32_t> lengths = {0, 1, 0, 0};
    for (const int64_t id : {int64_t{50}, int64_t{-1}}) {
      const std::vector<int64_t> ids = {id};
      const auto status = (*bags)->SetBatch({lengths, ids, 1}, group);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr("feature user: embedding table user: expected ids from 0 to 49"));
    }
    EXPECT_THAT(std::string((*bags)->SetBatch({lengths, {}, 1}, group).message()),
                HasSubstr("expected 1 ids"));
    const std::vector<int64_t> ids = {49};
    EXPECT_TRUE((*bags)->SetBatch({lengths, ids, 1}, group).ok());
  });
}

TEST(ShardedBags, ALostRankIsAnErrorOfTheOthers) {
  const auto tables = Tables(Optimizer::kSgd);
  WithRanks(3, [&](ShmGroup& group) {
    auto bags = ShardedBags::Create({.tables = tables,
                                     .features = Features(),
                                     .plan = PlanTableWise(tables, 3),
                                     .rank = group.rank(),
                                     .ranks = 3});
    ASSERT_TRUE(bags.ok()) << bags.status();
    if (group.rank() == 1) return;  // leaves the group
    const Batch batch = MakeBatch(0, 0, 10);
    EXPECT_EQ((*bags)->SetBatch(batch.view(), group).code(), absl::StatusCode::kUnavailable);
  });
}

}  // namespace
}  // namespace millrace::embedding
