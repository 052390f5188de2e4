#include "embedding/sharded_bags.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace::embedding {
namespace {

using Bytes = ByteExchange::Bytes;
using ConstBytes = ByteExchange::ConstBytes;

template <typename T>
ConstBytes BytesOf(const T* data, int64_t count) {
  return std::as_bytes(std::span(data, static_cast<size_t>(count)));
}
template <typename T>
Bytes WritableBytesOf(T* data, int64_t count) {
  return std::as_writable_bytes(std::span(data, static_cast<size_t>(count)));
}

// Rows [begin, end) of numbers [..., width].
std::span<float> Part(std::vector<float>& numbers, int64_t begin, int64_t end, int64_t width) {
  return std::span(numbers).subspan(static_cast<size_t>(begin * width),
                                    static_cast<size_t>((end - begin) * width));
}

// Sends a message to every rank, and receives one of each, of these lengths.
template <typename T>
absl::Status Exchange(const std::vector<std::vector<T>>& sent,
                      const std::vector<int64_t>& received_lengths,
                      std::vector<std::vector<T>>& received, ByteExchange& group) {
  std::vector<ConstBytes> to;
  std::vector<Bytes> from;
  received.resize(received_lengths.size());
  for (size_t r = 0; r < received.size(); ++r) {
    received[r].resize(static_cast<size_t>(received_lengths[r]));
    to.push_back(BytesOf(sent[r].data(), std::ssize(sent[r])));
    from.push_back(WritableBytesOf(received[r].data(), received_lengths[r]));
  }
  return group.AllToAll(to, from);
}

}  // namespace

ShardedBags::ShardedBags(Options options) : options_(std::move(options)) {
  for (const Feature& feature : options_.features) {
    offsets_.push_back(width_);
    width_ += PadColumns(options_.tables[static_cast<size_t>(feature.table)].columns);
  }
  for (int rank = 0; rank < options_.ranks; ++rank) services_.push_back(ServiceOf(rank));
  for (size_t s = 0; s < options_.plan.shards.size(); ++s) {
    const int rank = options_.plan.shards[s].rank;
    if (rank == options_.rank || rank == kEveryRank) own_.push_back(s);
  }
  FindSharedRows();
}

size_t ShardedBags::OwnShard(size_t shard) const {
  return static_cast<size_t>(std::ranges::lower_bound(own_, shard) - own_.begin());
}

void ShardedBags::FindSharedRows() {
  const std::vector<PlacedShard>& plan = options_.plan.shards;
  for (size_t begin = 0, end = 0; begin < plan.size(); begin = end) {
    SharedRows shared = {.begin = begin};
    bool own = false;
    for (; end < plan.size() && plan[end].table == plan[begin].table &&
           plan[end].shard.first_row == plan[begin].shard.first_row;
         ++end) {
      if (plan[end].rank == options_.rank && !std::exchange(own, true)) shared.own = end;
      shared.ranks.insert(static_cast<size_t>(plan[end].rank));
    }
    shared.end = end;
    if (end - begin == 1 || !options_.tables[static_cast<size_t>(plan[begin].table)].rowwise()) {
      continue;
    }
    any_squares_ = true;
    if (own) shared_rows_.push_back(std::move(shared));
  }
}

absl::StatusOr<std::unique_ptr<ShardedBags>> ShardedBags::Create(Options options) {
  MILLRACE_RETURN_IF_ERROR(CheckTables(options.features, std::ssize(options.tables)));
  MILLRACE_RETURN_IF_ERROR(CheckPlan(options.plan, options.tables, options.ranks));
  std::unique_ptr<ShardedBags> bags(new ShardedBags(std::move(options)));
  MILLRACE_RETURN_IF_ERROR(bags->SetUpTables());
  return bags;
}

absl::Status ShardedBags::SetUpTables() {
  std::vector<EmbeddingTable> tables;
  for (const size_t s : own_) {
    const PlacedShard& placed = options_.plan.shards[s];
    MILLRACE_ASSIGN_OR_RETURN(
        auto table, EmbeddingTable::Create(options_.tables[static_cast<size_t>(placed.table)],
                                           placed.shard, options_.seed));
    tables.push_back(std::move(table));
  }
  std::vector<Feature> features;
  for (const Served& served : services_[static_cast<size_t>(options_.rank)].served) {
    features.push_back({.name = options_.features[static_cast<size_t>(served.feature)].name,
                        .table = static_cast<int>(OwnShard(served.shard))});
  }
  MILLRACE_ASSIGN_OR_RETURN(
      bags_, EmbeddingBags::Create(std::move(tables), std::move(features), options_.threads));
  return absl::OkStatus();
}

ShardedBags::Service ShardedBags::ServiceOf(int rank) const {
  Service service;
  const auto add = [&](auto belongs) {
    for (size_t s = 0; s < options_.plan.shards.size(); ++s) {
      const PlacedShard& placed = options_.plan.shards[s];
      const TableOptions& table = options_.tables[static_cast<size_t>(placed.table)];
      if (!belongs(placed, placed.shard.HasAllRows(table))) continue;
      for (int64_t f = 0; f < std::ssize(options_.features); ++f) {
        if (options_.features[static_cast<size_t>(f)].table != placed.table) continue;
        service.served.push_back({f, s});
        service.width += WidthOf(service.served.back());
      }
    }
  };
  add([&](const PlacedShard& placed, bool whole) { return placed.rank == rank && whole; });
  service.whole = std::ssize(service.served);
  service.whole_width = service.width;
  add([&](const PlacedShard& placed, bool whole) { return placed.rank == rank && !whole; });
  service.partial = std::ssize(service.served) - service.whole;
  add([](const PlacedShard& placed, bool) { return placed.rank == kEveryRank; });
  return service;
}

bool ShardedBags::any_partial() const {
  return std::ranges::any_of(services_, [](const Service& service) { return service.partial > 0; });
}

// ------------------------------------------------------------------------------------------------
// Ids.

absl::Status ShardedBags::Check(const JaggedIds& batch) const {
  MILLRACE_RETURN_IF_ERROR(CheckLengths(batch, options_.features));
  size_t first = 0;
  for (size_t f = 0; f < options_.features.size(); ++f) {
    const auto lengths = batch.LengthsOf(static_cast<int64_t>(f));
    const auto count = std::accumulate(lengths.begin(), lengths.end(), size_t{0});
    const TableOptions& table = options_.tables[static_cast<size_t>(options_.features[f].table)];
    const auto status = CheckIds(table, Shard::Whole(table), batch.ids.subspan(first, count));
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("feature ", options_.features[f].name, ": ", status.message()));
    }
    first += count;
  }
  return absl::OkStatus();
}

void ShardedBags::WriteLookups(const JaggedIds& batch, std::span<const int64_t> first_ids,
                               const Service& service, std::vector<uint32_t>& message) {
  const int64_t samples = batch.samples;
  message.assign(service.served.size() * static_cast<size_t>(samples), 0);
  for (size_t i = 0; i < service.served.size() && samples > 0; ++i) {
    const Served& served = service.served[i];
    const Shard& shard = ShardOf(served).shard;
    const auto lengths = batch.LengthsOf(served.feature);
    const int64_t* id = batch.ids.data() + first_ids[static_cast<size_t>(served.feature)];
    for (int64_t sample = 0; sample < samples; ++sample) {
      uint32_t found = 0;
      for (int32_t n = 0; n < lengths[static_cast<size_t>(sample)]; ++n, ++id) {
        if (*id < shard.first_row || *id >= shard.first_row + shard.rows) continue;
        message.push_back(static_cast<uint32_t>(*id - shard.first_row));
        ++found;
      }
      message[i * static_cast<size_t>(samples) + static_cast<size_t>(sample)] = found;
    }
  }
}

// Into the order of features, and of each of samples.
void ShardedBags::TakeLookups(const std::vector<std::vector<uint32_t>>& messages) {
  const auto features = services_[static_cast<size_t>(options_.rank)].served.size();
  all_lengths_.clear();
  all_places_.clear();
  std::vector<const uint32_t*> next(messages.size());  // place of each rank
  const auto samples_of = [&](size_t rank) {
    return static_cast<size_t>(first_samples_[rank + 1] - first_samples_[rank]);
  };
  for (size_t r = 0; r < messages.size(); ++r) {
    next[r] = messages[r].data() + features * samples_of(r);
  }
  for (size_t f = 0; f < features; ++f) {
    for (size_t r = 0; r < messages.size(); ++r) {
      const uint32_t* const of_rank = messages[r].data() + f * samples_of(r);
      all_lengths_.insert(all_lengths_.end(), of_rank, of_rank + samples_of(r));
      const auto count = std::accumulate(of_rank, of_rank + samples_of(r), size_t{0});
      all_places_.insert(all_places_.end(), next[r], next[r] + count);
      next[r] += count;
    }
  }
  bags_->SetPlaces(all_lengths_, all_places_, first_samples_.back());
}

absl::Status ShardedBags::SetBatch(const JaggedIds& batch, ByteExchange& group) {
  MILLRACE_RETURN_IF_ERROR(Check(batch));
  const auto ranks = static_cast<size_t>(options_.ranks);
  sent_lookups_.resize(ranks);
  std::vector<int64_t> first_ids(1, 0);
  for (int64_t f = 0; f < batch.features(); ++f) {
    const auto lengths = batch.LengthsOf(f);
    first_ids.push_back(std::accumulate(lengths.begin(), lengths.end(), first_ids.back()));
  }
  asked_.assign(ranks, {});
  for (size_t r = 0; r < ranks; ++r) {
    WriteLookups(batch, first_ids, services_[r], sent_lookups_[r]);
    for (size_t i = 0; i < services_[r].served.size(); ++i) {
      const uint32_t* const lengths =
          sent_lookups_[r].data() + i * static_cast<size_t>(batch.samples);
      asked_[r].push_back(std::accumulate(lengths, lengths + batch.samples, int64_t{0}));
    }
  }
  std::vector<std::vector<int64_t>> sizes(ranks), received_sizes;
  for (size_t r = 0; r < ranks; ++r) sizes[r] = {batch.samples, std::ssize(sent_lookups_[r])};
  MILLRACE_RETURN_IF_ERROR(Exchange(sizes, std::vector<int64_t>(ranks, 2), received_sizes, group));
  std::vector<int64_t> lengths;
  first_samples_.assign(1, 0);
  for (const std::vector<int64_t>& of_rank : received_sizes) {
    first_samples_.push_back(first_samples_.back() + of_rank[0]);
    lengths.push_back(of_rank[1]);
  }
  MILLRACE_RETURN_IF_ERROR(Exchange(sent_lookups_, lengths, received_lookups_, group));
  samples_ = batch.samples;
  lengths_.assign(batch.lengths.begin(), batch.lengths.end());
  ids_.assign(batch.ids.begin(), batch.ids.end());
  TakeLookups(received_lookups_);
  return absl::OkStatus();
}

// ------------------------------------------------------------------------------------------------
// Bags.

absl::Status ShardedBags::Forward(float* out, ByteExchange& group) {
  MILLRACE_RETURN_IF_ERROR(ExchangeWhole(out, group));
  if (any_partial()) MILLRACE_RETURN_IF_ERROR(ExchangeRows(out, group));
  CopyReplicated(out);
  DivideMeans(options_.features, offsets_, width_, lengths_, samples_, out);
  return absl::OkStatus();
}

absl::Status ShardedBags::ExchangeWhole(float* out, ByteExchange& group) {
  const Service& own = services_[static_cast<size_t>(options_.rank)];
  const int64_t all = first_samples_.back();
  whole_.resize(static_cast<size_t>(all * own.whole_width));
  bags_->Forward({0, own.whole}, {0, all}, whole_.data(), own.whole_width);
  received_.resize(services_.size());
  std::vector<std::span<const float>> to;
  std::vector<std::span<float>> from;
  for (size_t r = 0; r < services_.size(); ++r) {
    to.push_back(Part(whole_, first_samples_[r], first_samples_[r + 1], own.whole_width));
    received_[r].resize(static_cast<size_t>(samples_ * services_[r].whole_width));
    from.emplace_back(received_[r]);
  }
  MILLRACE_RETURN_IF_ERROR(numbers_.AllToAll(options_.bags, to, from, group));
  for (size_t r = 0; r < services_.size(); ++r) {
    const float* next = received_[r].data();
    for (int64_t sample = 0; sample < samples_; ++sample) {
      for (int64_t i = 0; i < services_[r].whole; ++i) {
        const Served& served = services_[r].served[static_cast<size_t>(i)];
        std::copy_n(next, WidthOf(served), out + sample * width_ + OffsetOf(served));
        next += WidthOf(served);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ShardedBags::ExchangeRows(float* out, ByteExchange& group) {
  const Service& own = services_[static_cast<size_t>(options_.rank)];
  sent_.resize(services_.size());
  received_.resize(services_.size());
  std::vector<std::span<const float>> to;
  std::vector<std::span<float>> from;
  for (size_t r = 0; r < services_.size(); ++r) {
    const EmbeddingBags::Range samples = {first_samples_[r], first_samples_[r + 1]};
    sent_[r].clear();
    for (int64_t i = own.whole; i < own.whole + own.partial; ++i) {
      const auto before = sent_[r].size();
      sent_[r].resize(before + static_cast<size_t>(bags_->Lookups(i, samples) *
                                                   WidthOf(own.served[static_cast<size_t>(i)])));
      bags_->Gather(i, samples, sent_[r].data() + before);
    }
    int64_t length = 0;
    for (int64_t i = services_[r].whole; i < services_[r].whole + services_[r].partial; ++i) {
      length +=
          asked_[r][static_cast<size_t>(i)] * WidthOf(services_[r].served[static_cast<size_t>(i)]);
    }
    received_[r].resize(static_cast<size_t>(length));
    to.emplace_back(sent_[r]);
    from.emplace_back(received_[r]);
  }
  MILLRACE_RETURN_IF_ERROR(numbers_.AllToAll(options_.bags, to, from, group));
  PoolRows(received_, out);
  return absl::OkStatus();
}

void ShardedBags::PoolRows(const std::vector<std::vector<float>>& received, float* out) {
  // Where the next row of each shard that has some rows of a feature is.
  struct Source {
    Shard shard;
    int64_t width, offset;
    const float* next;
  };
  std::vector<std::vector<Source>> sources(options_.features.size());
  for (size_t r = 0; r < services_.size(); ++r) {
    const float* next = received[r].data();
    for (int64_t i = services_[r].whole; i < services_[r].whole + services_[r].partial; ++i) {
      const Served& served = services_[r].served[static_cast<size_t>(i)];
      sources[static_cast<size_t>(served.feature)].push_back(
          {ShardOf(served).shard, WidthOf(served), OffsetOf(served), next});
      next += asked_[r][static_cast<size_t>(i)] * WidthOf(served);
    }
  }
  const int64_t* id = ids_.data();
  for (size_t f = 0; f < options_.features.size(); ++f) {
    const auto table = static_cast<size_t>(options_.features[f].table);
    const int64_t columns = PadColumns(options_.tables[table].columns);
    for (int64_t sample = 0; sample < samples_; ++sample) {
      const int64_t* const end =
          id + lengths_[f * static_cast<size_t>(samples_) + static_cast<size_t>(sample)];
      if (sources[f].empty()) {
        id = end;
        continue;
      }
      float* const bag = out + sample * width_;
      std::fill_n(bag + offsets_[f], columns, 0.0F);
      for (; id < end; ++id) {
        for (Source& source : sources[f]) {
          const int64_t row = *id - source.shard.first_row;
          if (row < 0 || row >= source.shard.rows) continue;
          float* const sums = bag + source.offset;
          for (int64_t c = 0; c < source.width; ++c) sums[c] += source.next[c];
          source.next += source.width;
        }
      }
    }
  }
}

void ShardedBags::CopyReplicated(float* out) {
  const auto rank = static_cast<size_t>(options_.rank);
  const Service& own = services_[rank];
  const int64_t first = own.whole + own.partial;
  for (int64_t i = first; i < std::ssize(own.served); ++i) {
    bags_->Forward({i, i + 1}, {first_samples_[rank], first_samples_[rank + 1]},
                   out + OffsetOf(own.served[static_cast<size_t>(i)]), width_);
  }
}

// ------------------------------------------------------------------------------------------------
// Steps.

absl::Status ShardedBags::Update(const float* gradients, const UpdateStep& step,
                                 ByteExchange& group) {
  const auto is_mean = [](const Feature& feature) { return feature.pooling == Pooling::kMean; };
  if (std::ranges::any_of(options_.features, is_mean)) {
    scaled_.assign(gradients, gradients + samples_ * width_);
    DivideMeans(options_.features, offsets_, width_, lengths_, samples_, scaled_.data());
    gradients = scaled_.data();
  }
  sent_.resize(services_.size());
  for (size_t r = 0; r < services_.size(); ++r) {
    sent_[r].resize(static_cast<size_t>(samples_ * services_[r].width));
    float* next = sent_[r].data();
    for (int64_t sample = 0; sample < samples_; ++sample) {
      for (const Served& served : services_[r].served) {
        next = std::copy_n(gradients + sample * width_ + OffsetOf(served), WidthOf(served), next);
      }
    }
  }
  const int64_t width = services_[static_cast<size_t>(options_.rank)].width;
  gradients_.resize(static_cast<size_t>(first_samples_.back() * width));
  std::vector<std::span<const float>> to;
  std::vector<std::span<float>> from;
  for (size_t r = 0; r < services_.size(); ++r) {
    to.emplace_back(sent_[r]);
    from.push_back(Part(gradients_, first_samples_[r], first_samples_[r + 1], width));
  }
  MILLRACE_RETURN_IF_ERROR(numbers_.AllToAll(options_.gradients, to, from, group));
  MILLRACE_ASSIGN_OR_RETURN(const auto squares, ExchangeSquares(group));
  bags_->Update(gradients_.data(), step, squares);
  return absl::OkStatus();
}

// Of the own shards of tables whose columns are shared and whose optimiser is row-wise. The ranks
// that have the same rows know the same lookups of them, and so how long each other's are.
absl::StatusOr<std::vector<std::vector<float>>> ShardedBags::ExchangeSquares(ByteExchange& group) {
  std::vector<std::vector<float>> totals;
  if (!any_squares_) return totals;
  const std::vector<PlacedShard>& plan = options_.plan.shards;
  std::vector<std::vector<float>> sent(services_.size()), received;
  std::vector<int64_t> lengths(services_.size()), rows;
  for (const SharedRows& shared : shared_rows_) {
    for (size_t s = shared.begin; s < shared.end; ++s) {
      if (plan[s].rank != options_.rank) continue;
      const std::vector<float> own = bags_->Squares(OwnShard(s), gradients_.data());
      if (s == shared.own) rows.push_back(std::ssize(own) / SquareBlocks(plan[s].shard.columns));
      for (const size_t r : shared.ranks) sent[r].insert(sent[r].end(), own.begin(), own.end());
    }
    for (size_t s = shared.begin; s < shared.end; ++s) {
      lengths[static_cast<size_t>(plan[s].rank)] +=
          rows.back() * SquareBlocks(plan[s].shard.columns);
    }
  }
  MILLRACE_RETURN_IF_ERROR(Exchange(sent, lengths, received, group));
  std::vector<const float*> next;
  for (const std::vector<float>& of_rank : received) next.push_back(of_rank.data());
  totals.resize(own_.size());
  for (size_t g = 0; g < shared_rows_.size(); ++g) {
    const SharedRows& shared = shared_rows_[g];
    std::vector<float> total(static_cast<size_t>(rows[g]));
    for (size_t s = shared.begin; s < shared.end; ++s) {
      const float*& squares = next[static_cast<size_t>(plan[s].rank)];
      for (float& of_row : total) {
        for (int64_t b = 0; b < SquareBlocks(plan[s].shard.columns); ++b) of_row += *squares++;
      }
    }
    for (size_t s = shared.begin; s < shared.end; ++s) {
      if (plan[s].rank == options_.rank) totals[OwnShard(s)] = total;
    }
  }
  return totals;
}

}  // namespace millrace::embedding
