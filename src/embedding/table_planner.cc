#include "embedding/table_planner.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace millrace::embedding {
namespace {

// Kernels number the rows of a shard in 32 bits.
constexpr int64_t kMostShardRows = int64_t{1} << 32;
// Parts of an even share above which tables are cut: each is tried.
constexpr double kShares[] = {std::numeric_limits<double>::infinity(), 1, 0.5, 0.25};
// The largest shards, in parts of a rank's memory: each is tried until all fit.
constexpr double kParts[] = {1, 0.5, 0.25, 0.125, 0.0625, 0.03125};

// Ranks that differ by less are left alone.
constexpr double kEven = 1.02;

double ToDouble(int64_t number) { return static_cast<double>(number); }

// Of the first so many tiers of a rank.
int64_t RoomOf(const PlannerOptions& options, size_t tiers) {
  int64_t bytes = 0;
  for (size_t t = 0; t < tiers; ++t) bytes += options.tiers[t].bytes;
  return bytes;
}

// What a step makes of one shard, wherever it is.
class ShardWork {
 public:
  ShardWork(const TableLoad& load, const Shard& shard, const PlannerOptions& options)
      : load_(load), options_(options) {
    const double samples = ToDouble(options.samples);
    ids_ = samples * load.lookups;
    lookups_ = ids_ * ToDouble(shard.rows) / ToDouble(load.table.rows);
    row_bytes_ = ToDouble(RowBytes(load.table.type, shard.columns));
    const double bag = ToDouble(PadColumns(shard.columns)) * options.wire_bytes;
    bag_bytes_ = bag * (shard.HasAllRows(load.table) ? samples : lookups_);
    gradient_bytes_ = bag * samples;
  }

  // Seconds of who has it. `slowdown`: of its memory.
  double Forward(double slowdown) const { return Lookups(load_.forward, slowdown); }
  double Update(double slowdown) const { return Lookups(load_.update, slowdown); }
  double OwnerIds() const { return lookups_ * options_.exchange.id; }
  double OwnerBags() const { return bag_bytes_ * options_.exchange.byte; }
  double OwnerGradients() const { return gradient_bytes_ * options_.exchange.byte; }
  // Seconds of all whose samples look it up, together. Bags and gradients: as the owner's.
  double SampleIds() const {
    return lookups_ * options_.exchange.id + (ids_ - lookups_) * options_.exchange.other;
  }

  double All(double slowdown) const {
    return Forward(slowdown) + Update(slowdown) + OwnerIds() + SampleIds() +
           2 * (OwnerBags() + OwnerGradients());
  }
  double Owner(double slowdown) const {
    return Forward(slowdown) + Update(slowdown) + OwnerIds() + OwnerBags() + OwnerGradients();
  }

 private:
  double Lookups(const LookupCost& cost, double slowdown) const {
    return lookups_ * (cost.lookup + cost.byte * row_bytes_ * slowdown);
  }

  const TableLoad& load_;
  const PlannerOptions& options_;
  double ids_, lookups_, row_bytes_, bag_bytes_, gradient_bytes_;
};

double Heat(const TableLoad& load) { return load.lookups / ToDouble(load.table.rows); }

// Fills tiers one after another.
class TierFill {
 public:
  explicit TierFill(const PlannerOptions& options, int64_t times = 1)
      : tiers_(options.tiers), times_(times), used_(tiers_.size()) {}

  // Returns the mean slowdown of what is put there.
  double Put(int64_t bytes) {
    double slowdown = 0;
    int64_t left = bytes;
    for (size_t t = 0; t < tiers_.size() && left > 0; ++t) {
      const int64_t room = tiers_[t].bytes * times_ - used_[t];
      const int64_t part = t + 1 == tiers_.size() ? left : std::clamp(room, int64_t{0}, left);
      used_[t] += part;
      left -= part;
      slowdown += tiers_[t].slowdown * ToDouble(part) / ToDouble(bytes);
    }
    return slowdown;
  }
  const std::vector<int64_t>& used() const { return used_; }

 private:
  const std::vector<MemoryTier>& tiers_;
  const int64_t times_;
  std::vector<int64_t> used_;
};

// The order of things, the one with the largest number first.
std::vector<size_t> MostFirst(const std::vector<double>& numbers) {
  std::vector<size_t> order(numbers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return numbers[i]; });
  return order;
}

// How often a row of each shard is looked up: what is looked up most is in the fastest memory.
std::vector<double> Heats(const TablePlan& plan, std::span<const TableLoad> loads) {
  std::vector<double> heats;
  for (const PlacedShard& placed : plan.shards) {
    heats.push_back(Heat(loads[static_cast<size_t>(placed.table)]));
  }
  return heats;
}

// Slowdowns of tables if the memory of all ranks were one.
std::vector<double> SharedSlowdowns(std::span<const TableLoad> loads,
                                    const PlannerOptions& options) {
  TierFill memory(options, options.ranks);
  std::vector<double> slowdowns(loads.size());
  std::vector<double> heats;
  for (const TableLoad& load : loads) heats.push_back(Heat(load));
  for (const size_t t : MostFirst(heats)) {
    slowdowns[t] = memory.Put(SlabBytes(loads[t].table, Shard::Whole(loads[t].table)));
  }
  return slowdowns;
}

// How a table is cut.
struct Grid {
  int64_t rows = 1, columns = 1;
};

// The grid of `parts` parts or more, each of at most so many bytes, that makes least work; the
// finest if there are not so many.
Grid ChooseGrid(const TableLoad& load, int64_t parts, int64_t largest, double slowdown,
                const PlannerOptions& options) {
  const TableOptions& table = load.table;
  const int64_t bucket = BucketRows(table), buckets = (table.rows + bucket - 1) / bucket;
  const int64_t cut = ColumnCut(table), cuts = (table.columns + cut - 1) / cut;
  std::optional<Grid> best;
  double least = std::numeric_limits<double>::infinity();
  for (int64_t columns = 1; columns <= cuts; ++columns) {
    Grid grid{.columns = columns};
    Shard shard{.rows = table.rows, .columns = (cuts + columns - 1) / columns * cut};
    const auto rows_for = [](int64_t all, int64_t each) { return (all + each - 1) / each; };
    const int64_t bytes = SlabBytes(table, shard);
    grid.rows = std::max({rows_for(parts, columns), rows_for(bytes, std::max<int64_t>(largest, 1)),
                          rows_for(table.rows, kMostShardRows)});
    if (grid.rows > buckets) continue;
    shard.rows = rows_for(table.rows, grid.rows);
    const double work =
        ToDouble(grid.rows * columns) * ShardWork(load, shard, options).All(slowdown);
    if (work < least) {
      least = work;
      best = grid;
    }
  }
  return best.value_or(Grid{buckets, cuts});
}

// Deals shards out to ranks with so much room. False if there is none for one.
bool Deal(std::span<const TableLoad> loads, std::span<const double> slowdowns,
          const PlannerOptions& options, int64_t room, TablePlan& plan) {
  std::vector<double> seconds;
  std::vector<int64_t> bytes;
  for (const PlacedShard& placed : plan.shards) {
    const auto t = static_cast<size_t>(placed.table);
    seconds.push_back(ShardWork(loads[t], placed.shard, options).Owner(slowdowns[t]));
    bytes.push_back(SlabBytes(loads[t].table, placed.shard));
  }
  const double all = std::accumulate(seconds.begin(), seconds.end(), 1e-300);
  const double space = ToDouble(room) * options.ranks;
  // Large ones go first, too, while there is room everywhere.
  std::vector<double> weights;
  for (size_t s = 0; s < seconds.size(); ++s) {
    weights.push_back(std::max(seconds[s] / all, ToDouble(bytes[s]) / space));
  }
  std::vector<double> busy(static_cast<size_t>(options.ranks));
  std::vector<int64_t> used(busy.size());
  for (const size_t s : MostFirst(weights)) {
    std::optional<size_t> chosen;
    for (size_t r = 0; r < busy.size(); ++r) {
      if (used[r] + bytes[s] <= room && (!chosen || busy[r] < busy[*chosen])) chosen = r;
    }
    if (!chosen) return false;
    busy[*chosen] += seconds[s];
    used[*chosen] += bytes[s];
    plan.shards[s].rank = static_cast<int>(*chosen);
  }
  return true;
}

// Moves shards from the busiest rank, or exchanges some of its with others', while that helps.
class Evener {
 public:
  Evener(std::span<const TableLoad> loads, const PlannerOptions& options, TablePlan& plan)
      : options_(options),
        plan_(plan),
        heat_(Heats(plan, loads)),
        shards_(static_cast<size_t>(options.ranks)) {
    const auto load_of = [&](size_t s) -> const TableLoad& {
      return loads[static_cast<size_t>(plan.shards[s].table)];
    };
    for (size_t s = 0; s < plan.shards.size(); ++s) {
      work_.emplace_back(load_of(s), plan.shards[s].shard, options);
      bytes_.push_back(SlabBytes(load_of(s).table, plan.shards[s].shard));
    }
    for (const size_t s : MostFirst(heat_)) {
      shards_[static_cast<size_t>(plan.shards[s].rank)].push_back(s);
    }
    for (size_t r = 0; r < shards_.size(); ++r) seconds_.push_back(*Seconds(r, {}));
  }

  void Run() {
    for (int round = 0; round < kMostRounds && tries_ < kMostTries; ++round) {
      const auto busiest = std::ranges::max_element(seconds_);
      if (!Relieve(static_cast<size_t>(busiest - seconds_.begin()))) break;
    }
    for (size_t r = 0; r < shards_.size(); ++r) {
      for (const size_t s : shards_[r]) plan_.shards[s].rank = static_cast<int>(r);
    }
  }

 private:
  static constexpr int kMostRounds = 100;
  static constexpr int64_t kMostTries = 200'000;
  static constexpr double kGain = 0.999;

  // Shards that a rank gives away and gets.
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();
  struct Change {
    size_t gives = kNone, gets = kNone;
  };

  // What a rank does then; nothing if it has no room.
  std::optional<double> Seconds(size_t rank, const Change& change) const {
    size_t tier = 0;
    int64_t room = options_.tiers[0].bytes;
    double seconds = 0;
    const auto add = [&](size_t s) {
      double slowdown = 0;
      for (int64_t left = bytes_[s]; left > 0;) {
        if (room == 0) {
          if (++tier == options_.tiers.size()) return false;
          room = options_.tiers[tier].bytes;
        }
        const int64_t part = std::min(left, room);
        slowdown += options_.tiers[tier].slowdown * ToDouble(part) / ToDouble(bytes_[s]);
        left -= part;
        room -= part;
      }
      seconds += work_[s].Owner(slowdown);
      return true;
    };
    size_t gets = change.gets;
    for (const size_t s : shards_[rank]) {
      if (gets != kNone && heat_[gets] > heat_[s] && !add(std::exchange(gets, kNone))) {
        return std::nullopt;
      }
      if (s != change.gives && !add(s)) return std::nullopt;
    }
    if (gets != kNone && !add(gets)) return std::nullopt;
    return seconds;
  }

  void Apply(size_t rank, const Change& change) {
    std::vector<size_t>& shards = shards_[rank];
    std::erase(shards, change.gives);
    if (change.gets != kNone) {
      const auto colder =
          std::ranges::find_if(shards, [&](size_t s) { return heat_[s] < heat_[change.gets]; });
      shards.insert(colder, change.gets);
    }
    seconds_[rank] = *Seconds(rank, {});
  }

  // The best exchange of at most one shard each with another rank. False if none is better.
  bool Relieve(size_t rank) {
    double most = seconds_[rank] * kGain;
    std::optional<size_t> other;
    Change best;  // of this rank
    const auto consider = [&](size_t with, const Change& change) {
      if (++tries_ > kMostTries) return;
      const auto theirs = Seconds(with, {.gives = change.gets, .gets = change.gives});
      if (!theirs || *theirs >= most) return;
      const auto own = Seconds(rank, change);
      if (!own || *own >= most) return;
      most = std::max(*own, *theirs);
      other = with;
      best = change;
    };
    for (size_t with = 0; with < shards_.size(); ++with) {
      if (seconds_[with] >= most) continue;
      for (const size_t s : shards_[rank]) {
        consider(with, {.gives = s});
        for (const size_t t : shards_[with]) consider(with, {.gives = s, .gets = t});
      }
    }
    if (!other) return false;
    Apply(rank, best);
    Apply(*other, {.gives = best.gets, .gets = best.gives});
    return true;
  }

  const PlannerOptions& options_;
  TablePlan& plan_;
  // Of every shard.
  std::vector<ShardWork> work_;
  std::vector<int64_t> bytes_;
  std::vector<double> heat_;
  int64_t tries_ = 0;
  // Of every rank.
  std::vector<std::vector<size_t>> shards_;  // the hottest first
  std::vector<double> seconds_;
};

}  // namespace

TableLoad TypicalLoad(const TableOptions& table, double lookups) {
  return {.table = table,
          .lookups = lookups,
          .forward = {.lookup = 10e-9, .byte = 0.1e-9},
          .update = {.lookup = 25e-9, .byte = 0.2e-9}};
}

PredictedStep PredictStep(const TablePlan& plan, std::span<const TableLoad> loads,
                          const PlannerOptions& options) {
  PredictedStep step;
  const auto load_of = [&](size_t s) -> const TableLoad& {
    return loads[static_cast<size_t>(plan.shards[s].table)];
  };
  // What all ranks do alike, for their own samples.
  RankLoad alike;
  const ExchangeCost& exchange = options.exchange;
  alike.ids = 2 * exchange.latency;
  alike.bags = alike.gradients = exchange.latency;
  bool rows_travel = false;
  for (size_t s = 0; s < plan.shards.size(); ++s) {
    const ShardWork work(load_of(s), plan.shards[s].shard, options);
    if (plan.shards[s].rank == kEveryRank) {
      alike.ids += work.SampleIds();
      alike.gradients += work.OwnerGradients();
    } else {
      alike.ids += work.SampleIds() / options.ranks;
      alike.bags += work.OwnerBags() / options.ranks;
      alike.gradients += work.OwnerGradients() / options.ranks;
      rows_travel |= !plan.shards[s].shard.HasAllRows(load_of(s).table);
    }
  }
  if (rows_travel) alike.bags += exchange.latency;
  step.ranks.assign(static_cast<size_t>(options.ranks), alike);
  std::vector<TierFill> memory(step.ranks.size(), TierFill(options));
  for (const size_t s : MostFirst(Heats(plan, loads))) {
    const PlacedShard& placed = plan.shards[s];
    const ShardWork work(load_of(s), placed.shard, options);
    const bool everywhere = placed.rank == kEveryRank;
    for (int r = everywhere ? 0 : placed.rank; r < (everywhere ? options.ranks : placed.rank + 1);
         ++r) {
      RankLoad& rank = step.ranks[static_cast<size_t>(r)];
      const double slowdown =
          memory[static_cast<size_t>(r)].Put(SlabBytes(load_of(s).table, placed.shard));
      ++rank.shards;
      rank.ids += work.OwnerIds();
      rank.forward += work.Forward(slowdown) / (everywhere ? options.ranks : 1);
      rank.update += work.Update(slowdown);
      if (everywhere) continue;
      rank.bags += work.OwnerBags();
      rank.gradients += work.OwnerGradients();
    }
  }
  double all = 0, most = 0;
  for (size_t r = 0; r < step.ranks.size(); ++r) {
    step.ranks[r].tier_bytes = memory[r].used();
    all += step.ranks[r].seconds();
    most = std::max(most, step.ranks[r].seconds());
  }
  if (all > 0) step.imbalance = most * options.ranks / all;
  for (const auto part : {&RankLoad::ids, &RankLoad::forward, &RankLoad::bags, &RankLoad::gradients,
                          &RankLoad::update}) {
    step.seconds += std::ranges::max(step.ranks, {}, part).*part;
  }
  return step;
}

absl::StatusOr<TablePlan> PlanTables(std::span<const TableLoad> loads,
                                     const PlannerOptions& options) {
  const std::vector<double> slowdowns = SharedSlowdowns(loads, options);
  std::vector<double> work;
  for (size_t t = 0; t < loads.size(); ++t) {
    work.push_back(ShardWork(loads[t], Shard::Whole(loads[t].table), options).Owner(slowdowns[t]));
  }
  const double even = std::accumulate(work.begin(), work.end(), 0.0) / options.ranks;
  // Every table in parts that are at most so large and cost at most so much.
  const auto cut = [&](double seconds, int64_t bytes) {
    TablePlan plan;
    for (size_t t = 0; t < loads.size(); ++t) {
      const double parts = even > 0 ? std::ceil(work[t] / seconds) : 1;
      const Grid grid = ChooseGrid(loads[t], std::max<int64_t>(1, static_cast<int64_t>(parts)),
                                   bytes, slowdowns[t], options);
      const int anybody = 0;
      AddTable(static_cast<int>(t), loads[t].table, static_cast<int>(grid.rows),
               static_cast<int>(grid.columns), {&anybody, 1}, plan);
    }
    return plan;
  };
  std::optional<TablePlan> best;
  double shortest = 0;
  for (size_t tiers = 1; tiers <= options.tiers.size(); ++tiers) {
    const int64_t room = RoomOf(options, tiers);
    for (const double share : kShares) {
      for (const double part : kParts) {
        TablePlan plan = cut(share * even, static_cast<int64_t>(part * static_cast<double>(room)));
        if (!Deal(loads, slowdowns, options, room, plan)) continue;
        const double seconds = PredictStep(plan, loads, options).seconds;
        if (!best || seconds < shortest) {
          best = std::move(plan);
          shortest = seconds;
        }
        break;
      }
    }
  }
  if (best) {
    if (PredictStep(*best, loads, options).imbalance <= kEven) return *std::move(best);
    TablePlan even_plan = *best;
    Evener(loads, options, even_plan).Run();
    // Less for the busiest rank may be more where all wait for each other.
    const bool better = PredictStep(even_plan, loads, options).seconds < shortest;
    return better ? std::move(even_plan) : *std::move(best);
  }
  int64_t bytes = 0;
  for (const TableLoad& load : loads) bytes += SlabBytes(load.table, Shard::Whole(load.table));
  return absl::ResourceExhaustedError(
      absl::StrCat("table plan: tables of ", bytes, " bytes do not fit into ", options.ranks,
                   " ranks with room for ", RoomOf(options, options.tiers.size()), " bytes each"));
}

}  // namespace millrace::embedding
