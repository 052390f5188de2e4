#include "cli/torch/table_costs.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>

#include "cli/common/bench_row.h"
#include "cli/torch/sample_tensors.h"
#include "cli/torch/table_ranks.h"
#include "core/deadline.h"
#include "embedding/jagged_rows.h"
#include "launcher/process_usage.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using embedding::EmbeddingBags;
using embedding::EmbeddingTable;
using embedding::LookupCost;
using embedding::RowBytes;
using embedding::Shard;
using embedding::TableOptions;

constexpr int kBatches = 8;
constexpr int64_t kMostIds = 2'000'000;   // of a batch that is drawn
constexpr int64_t kMostExchanged = 8192;  // samples
constexpr int kRounds = 24;
constexpr double kShareOfMemory = 0.8;  // for tables; the rest is everybody else's
constexpr int64_t kIdBytes = 8;

template <typename T>
std::span<const T> Numbers(const torch::Tensor& tensor) {
  return {tensor.const_data_ptr<T>(), static_cast<size_t>(tensor.numel())};
}

double ToDouble(int64_t number) { return static_cast<double>(number); }

// The features of a table, with ids of the first `rows` alone.
EmbeddingBatch FeaturesOf(const EmbeddingBatch& batch, const SampledLookups& sampled, size_t table,
                          int64_t rows) {
  EmbeddingBatch part;
  auto lengths = batch.lengths.begin();
  auto id = batch.ids.begin();
  for (const int of_feature : sampled.tables) {
    const auto end = lengths + sampled.samples;
    const auto last = id + std::accumulate(lengths, end, int64_t{0});
    if (of_feature == static_cast<int>(table)) {
      part.lengths.insert(part.lengths.end(), lengths, end);
      for (auto i = id; i < last; ++i) part.ids.push_back(*i % rows);
    }
    lengths = end;
    id = last;
  }
  return part;
}

// A table that is looked up and stepped on by itself.
class TimedTable {
 public:
  static absl::StatusOr<TimedTable> Create(const TableOptions& options, size_t number,
                                           const SampledLookups& sampled, int threads) {
    TimedTable timed;
    timed.samples_ = sampled.samples;
    for (const EmbeddingBatch& batch : sampled.batches) {
      timed.batches_.push_back(FeaturesOf(batch, sampled, number, options.rows));
    }
    MILLRACE_ASSIGN_OR_RETURN(auto table, EmbeddingTable::Create(options, /*seed=*/1));
    std::vector<EmbeddingTable> tables;
    tables.push_back(std::move(table));
    MILLRACE_ASSIGN_OR_RETURN(
        timed.bags_,
        EmbeddingBags::Create(
            std::move(tables),
            std::vector<embedding::Feature>(
                static_cast<size_t>(std::ranges::count(sampled.tables, static_cast<int>(number))),
                {.name = options.name}),
            threads));
    timed.out_.assign(static_cast<size_t>(timed.samples_ * timed.bags_->width()), 0.5F);
    return timed;
  }

  void SetBatch(size_t round) {
    const EmbeddingBatch& batch = batches_[round % batches_.size()];
    MILLRACE_CHECK(bags_->SetBatch({batch.lengths, batch.ids, samples_}).ok(), "ids of the table");
    lookups_ = std::max<double>(1, ToDouble(std::ssize(batch.ids)));
  }
  void Forward() {
    const auto since = Clock::now();
    bags_->Forward(out_.data());
    forward_.push_back(SecondsSince(since) / lookups_);
  }
  void Update() {
    const auto since = Clock::now();
    bags_->Update(out_.data(), {.learning_rate = 0.01F});
    update_.push_back(SecondsSince(since) / lookups_);
  }
  // Seconds of a lookup.
  double forward() const { return Median(forward_); }
  double update() const { return Median(update_); }

 private:
  int64_t samples_ = 0;
  double lookups_ = 1;
  std::vector<EmbeddingBatch> batches_;
  std::unique_ptr<EmbeddingBags> bags_;
  std::vector<float> out_;
  std::vector<double> forward_, update_;
};

// Seconds of a lookup in each table: forward, update. Tables are dealt out to ranks, which go
// through theirs at once, part by part of a step, with so many threads each.
absl::StatusOr<std::vector<std::pair<double, double>>> TimeTables(
    std::span<const TableOptions> tables, const SampledLookups& sampled, int ranks, int threads) {
  std::vector<TimedTable> timed;
  for (size_t t = 0; t < tables.size(); ++t) {
    MILLRACE_ASSIGN_OR_RETURN(auto table, TimedTable::Create(tables[t], t, sampled, threads));
    timed.push_back(std::move(table));
  }
  const auto share = [&](size_t rank) {
    for (size_t round = 0; round < kRounds; ++round) {
      for (const auto part : {0, 1, 2}) {
        for (size_t t = rank; t < timed.size(); t += static_cast<size_t>(ranks)) {
          if (part == 0) timed[t].SetBatch(round);
          if (part == 1) timed[t].Forward();
          if (part == 2) timed[t].Update();
        }
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < ranks; ++i) others.emplace_back(share, static_cast<size_t>(i));
    share(0);
  }
  std::vector<std::pair<double, double>> seconds;
  for (const TimedTable& table : timed) seconds.emplace_back(table.forward(), table.update());
  return seconds;
}

// The line through two points.
LookupCost CostThrough(double bytes, double seconds, double fewer_bytes, double fewer_seconds) {
  if (fewer_bytes >= bytes) return {.lookup = seconds};
  const double byte = std::max(0.0, (seconds - fewer_seconds) / (bytes - fewer_bytes));
  return {.lookup = std::max(0.0, seconds - byte * bytes), .byte = byte};
}

// Tables of few rows with bags of one, of which little but the exchange costs anything.
absl::StatusOr<embedding::ExchangeCost> MeasureExchange(int ranks, int64_t samples) {
  samples = std::min(samples, kMostExchanged);
  constexpr int kTables = 8, kColumns = 64, kRows = 1024;
  TableRanks::Options shared{.ranks = ranks};
  for (int t = 0; t < kTables * ranks; ++t) {
    const std::string name = std::to_string(t);
    shared.tables.push_back({.name = name, .rows = kRows, .columns = kColumns});
    shared.features.push_back({.name = name, .table = t});
  }
  shared.plan = embedding::PlanTableWise(shared.tables, ranks);
  const auto batch_of = [&](int64_t count) {
    EmbeddingBatch batch;
    batch.lengths.assign(static_cast<size_t>(count) * shared.tables.size(), 1);
    for (size_t i = 0; i < batch.lengths.size(); ++i) {
      batch.ids.push_back(static_cast<int64_t>(i * 7919 % kRows));
    }
    return batch;
  };
  const auto measure = [&](int64_t count) -> absl::StatusOr<TableRanks::Seconds> {
    MILLRACE_ASSIGN_OR_RETURN(
        auto group, TableRanks::Create(shared, {batch_of(count)}, OverSharedMemory(ranks)));
    std::vector<double> ids, forward, update;
    for (int round = 0; round < kRounds; ++round) {
      MILLRACE_ASSIGN_OR_RETURN(const TableRanks::Seconds seconds, group->Step());
      ids.push_back(seconds.ids);
      forward.push_back(seconds.forward);
      update.push_back(seconds.update);
    }
    return TableRanks::Seconds{Median(ids), Median(forward), Median(update)};
  };
  MILLRACE_ASSIGN_OR_RETURN(const TableRanks::Seconds empty, measure(ranks));
  MILLRACE_ASSIGN_OR_RETURN(const TableRanks::Seconds full, measure(samples));
  // The same lookups without anybody to share them with.
  SampledLookups alone = {.batches = {batch_of(samples)}, .samples = samples};
  for (const embedding::Feature& feature : shared.features) alone.tables.push_back(feature.table);
  MILLRACE_ASSIGN_OR_RETURN(
      const auto tables,
      TimeTables(shared.tables, alone, std::min(ranks, static_cast<int>(AvailableCores())), 1));
  const double lookups = ToDouble(samples) * kTables;  // of a rank's tables, and of its samples
  const double bytes = 2 * lookups * kColumns * sizeof(float);  // sent and received
  double forward = 0, update = 0;
  for (const auto& [of_forward, of_update] : tables) {
    forward += of_forward * lookups / ToDouble(std::ssize(tables));
    update += of_update * lookups / ToDouble(std::ssize(tables));
  }
  embedding::ExchangeCost cost;
  cost.latency = empty.ids / 2;
  cost.id = std::max(0.0, full.ids - empty.ids) / (2 * lookups);
  cost.other = cost.id / 4;  // compared and left out, not written
  cost.byte = std::max(0.0, full.forward - forward + full.update - update) / (2 * bytes);
  return cost;
}

}  // namespace

int64_t MemoryBytes() {
  return static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
}

absl::StatusOr<SampledLookups> SampleLookups(Dataset& dataset, const TablePolicy& policy,
                                             int64_t samples) {
  SampledLookups sampled;
  int64_t longest = 0;
  for (const IdFeature& feature : policy.observed()) longest += feature.max_length;
  for (size_t f = 0; f < policy.features().size(); ++f) {
    sampled.tables.push_back(policy.table_of(f));
  }
  sampled.samples = std::clamp<int64_t>(kMostIds / std::max<int64_t>(longest, 1), 1, samples);
  std::vector<double> ids(policy.tables().size()), rows(ids.size());
  embedding::JaggedRows jagged;
  for (int64_t b = 0; b < kBatches; ++b) {
    MILLRACE_ASSIGN_OR_RETURN(const auto read,
                              SampleTensors::Read(dataset, b * sampled.samples, sampled.samples));
    MILLRACE_RETURN_IF_ERROR(
        jagged.Set(Numbers<int64_t>(read.tensors().at(ObservationField(kIds))),
                   Numbers<int32_t>(read.tensors().at(ObservationField(kIdCounts))),
                   sampled.samples, policy.used()));
    const embedding::JaggedIds batch = jagged.batch();
    sampled.batches.push_back(
        {{batch.lengths.begin(), batch.lengths.end()}, {batch.ids.begin(), batch.ids.end()}});
    for (size_t t = 0; t < ids.size(); ++t) {
      std::vector<int64_t> of_table =
          FeaturesOf(sampled.batches.back(), sampled, t, policy.tables()[t].rows).ids;
      ids[t] += ToDouble(std::ssize(of_table));
      std::ranges::sort(of_table);
      const auto repeated = std::ranges::unique(of_table);
      rows[t] += ToDouble(repeated.begin() - of_table.begin());
    }
  }
  for (size_t t = 0; t < ids.size(); ++t) {
    sampled.lookups.push_back(ids[t] / ToDouble(kBatches * sampled.samples));
    sampled.distinct.push_back(ids[t] > 0 ? rows[t] / ids[t] : 1);
  }
  return sampled;
}

absl::StatusOr<StepCosts> MeasureCosts(std::span<const TableOptions> tables,
                                       const SampledLookups& sampled, int ranks, int threads,
                                       int64_t samples) {
  const int at_once = std::clamp(ranks, 1, std::max(1, static_cast<int>(AvailableCores())));
  std::vector<TableOptions> whole(tables.begin(), tables.end()), narrow;
  const double memory = ToDouble(MemoryBytes());
  for (TableOptions& table : whole) {
    const double row = ToDouble(SlabBytes(table, Shard::Whole(table))) / ToDouble(table.rows);
    const double fits = memory / 4 / ToDouble(std::ssize(tables)) / row;
    table.rows = std::clamp<int64_t>(static_cast<int64_t>(fits), 1, table.rows);
    TableOptions half = table;
    const int64_t cuts = (table.columns + ColumnCut(table) - 1) / ColumnCut(table);
    half.columns = std::min(table.columns, (cuts + 1) / 2 * ColumnCut(table));
    narrow.push_back(half);
  }
  MILLRACE_ASSIGN_OR_RETURN(const auto seconds, TimeTables(whole, sampled, at_once, threads));
  MILLRACE_ASSIGN_OR_RETURN(const auto fewer, TimeTables(narrow, sampled, at_once, threads));
  StepCosts costs;
  for (size_t t = 0; t < tables.size(); ++t) {
    const double bytes = ToDouble(RowBytes(tables[t].type, tables[t].columns));
    const double half = ToDouble(RowBytes(narrow[t].type, narrow[t].columns));
    costs.loads.push_back({.table = tables[t],
                           .lookups = sampled.lookups[t],
                           .forward = CostThrough(bytes, seconds[t].first, half, fewer[t].first),
                           .update = CostThrough(bytes, seconds[t].second, half, fewer[t].second)});
  }
  costs.options = {.ranks = ranks,
                   .samples = samples,
                   .tiers = {{.bytes = static_cast<int64_t>(kShareOfMemory * memory / ranks)}}};
  if (ranks > 1) {
    MILLRACE_ASSIGN_OR_RETURN(costs.options.exchange, MeasureExchange(ranks, samples));
  }
  return costs;
}

absl::StatusOr<StepCosts> CostsOf(const HardwareConfig& hardware,
                                  std::span<const TableOptions> tables,
                                  const SampledLookups& sampled, int ranks, int64_t samples) {
  constexpr double kGiga = 1e9;
  if (ranks % hardware.hosts != 0) {
    return absl::InvalidArgumentError(
        fmt::format("hardware.hosts: expected a divisor of the {} trainers "
                    "(workers.trainer.count), got {}",
                    ranks, hardware.hosts));
  }
  const int of_host = ranks / hardware.hosts;
  const double fastest = hardware.memory.front().gigabytes_per_second;
  StepCosts costs;
  embedding::PlannerOptions& options = costs.options;
  options.ranks = ranks;
  options.samples = samples;
  for (const MemoryConfig& memory : hardware.memory) {
    options.tiers.push_back({.name = memory.name,
                             .bytes = static_cast<int64_t>(memory.gigabytes * kGiga / of_host),
                             .slowdown = fastest / memory.gigabytes_per_second});
  }
  // What leaves a rank goes to ranks of its own host and to others, while as much arrives.
  const double near = ToDouble(of_host - 1) / ranks, far = 1 - ToDouble(of_host) / ranks;
  options.exchange.byte = (near / (hardware.host_gigabytes_per_second * kGiga) +
                           far / (hardware.network_gigabytes_per_second * kGiga)) /
                          2;
  options.exchange.id = kIdBytes * options.exchange.byte;
  options.exchange.latency = hardware.latency_us * 1e-6;
  const double byte = of_host / (fastest * kGiga);
  for (size_t t = 0; t < tables.size(); ++t) {
    // The gradient of every lookup is read, too.
    costs.loads.push_back({.table = tables[t],
                           .lookups = sampled.lookups[t],
                           .forward = {.byte = byte},
                           .update = {.byte = (1 + 2 * sampled.distinct[t]) * byte}});
  }
  return costs;
}

}  // namespace millrace
