#include "cli/torch/table_ranks.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>
#include <utility>

#include "backends/dlrm/tensor_exchange.h"
#include "backends/shm_collectives.h"
#include "core/deadline.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr auto kTimeout = std::chrono::seconds(30);

// Samples [begin, end) of a batch.
EmbeddingBatch Part(const EmbeddingBatch& batch, int64_t features, int64_t begin, int64_t end) {
  const int64_t samples = std::ssize(batch.lengths) / features;
  EmbeddingBatch part;
  auto id = batch.ids.begin();
  for (int64_t f = 0; f < features; ++f) {
    const auto lengths = batch.lengths.begin() + f * samples;
    const auto before = std::accumulate(lengths, lengths + begin, int64_t{0});
    const auto count = std::accumulate(lengths + begin, lengths + end, int64_t{0});
    part.lengths.insert(part.lengths.end(), lengths + begin, lengths + end);
    part.ids.insert(part.ids.end(), id + before, id + before + count);
    id += std::accumulate(lengths, lengths + samples, int64_t{0});
  }
  return part;
}

double Lap(Clock::time_point& since) {
  const auto now = Clock::now();
  return std::chrono::duration<double>(now - std::exchange(since, now)).count();
}

}  // namespace

JoinGroup OverSharedMemory(int ranks) {
  static std::atomic<int> groups{0};
  const auto file =
      std::filesystem::path("/dev/shm") / fmt::format("millrace-ranks-{}-{}", ::getpid(), groups++);
  return [file, ranks](int rank) {
    return MakeShmCollectives({.file = file, .rank = rank, .size = ranks, .timeout = kTimeout});
  };
}

// What one rank does.
class TableRanks::Rank {
 public:
  static absl::StatusOr<std::unique_ptr<Rank>> Join(const Options& options,
                                                    const std::vector<EmbeddingBatch>& batches,
                                                    const JoinGroup& join, int rank) {
    std::unique_ptr<Rank> made(new Rank);
    const int64_t features = std::ssize(options.features);
    int64_t most = 0;
    for (const EmbeddingBatch& batch : batches) {
      const int64_t samples = std::ssize(batch.lengths) / features;
      const auto first = [&](int64_t of) { return samples * of / options.ranks; };
      made->batches_.push_back(Part(batch, features, first(rank), first(rank + 1)));
      most = std::max(most, first(rank + 1) - first(rank));
    }
    made->features_ = features;
    MILLRACE_ASSIGN_OR_RETURN(made->bags_,
                              embedding::ShardedBags::Create({.tables = options.tables,
                                                              .features = options.features,
                                                              .plan = options.plan,
                                                              .rank = rank,
                                                              .ranks = options.ranks,
                                                              .seed = 1,
                                                              .threads = options.threads,
                                                              .bags = options.bags,
                                                              .gradients = options.gradients}));
    made->out_.assign(static_cast<size_t>(most * made->bags_->width()), 0.5F);
    made->gradients_ = made->out_;
    MILLRACE_ASSIGN_OR_RETURN(made->group_, join(rank));
    return made;
  }

  absl::Status Step(Seconds& seconds) {
    const EmbeddingBatch& batch = batches_[next_++ % batches_.size()];
    const int64_t samples = std::ssize(batch.lengths) / features_;
    TensorExchange exchange(*group_);
    auto since = Clock::now();
    MILLRACE_RETURN_IF_ERROR(bags_->SetBatch({batch.lengths, batch.ids, samples}, exchange));
    seconds.ids = Lap(since);
    MILLRACE_RETURN_IF_ERROR(bags_->Forward(out_.data(), exchange));
    seconds.forward = Lap(since);
    MILLRACE_RETURN_IF_ERROR(bags_->Update(gradients_.data(), {.learning_rate = 0.01F}, exchange));
    seconds.update = Lap(since);
    return absl::OkStatus();
  }

 private:
  Rank() = default;

  int64_t features_ = 0;
  std::vector<EmbeddingBatch> batches_;  // this rank's parts
  std::unique_ptr<embedding::ShardedBags> bags_;
  std::unique_ptr<Collectives> group_;
  std::vector<float> out_, gradients_;
  size_t next_ = 0;
};

TableRanks::TableRanks(int ranks)
    : statuses_(static_cast<size_t>(ranks)), seconds_(statuses_.size()), turn_(ranks + 1) {}

absl::StatusOr<std::unique_ptr<TableRanks>> TableRanks::Create(
    const Options& options, const std::vector<EmbeddingBatch>& batches, const JoinGroup& join) {
  std::unique_ptr<TableRanks> ranks(new TableRanks(options.ranks));
  for (int r = 0; r < options.ranks; ++r) {
    ranks->threads_.emplace_back([&, own = ranks.get(), r] {
      absl::Status& status = own->statuses_[static_cast<size_t>(r)];
      auto rank = Rank::Join(options, batches, join, r);
      status = rank.status();
      own->turn_.arrive_and_wait();
      for (own->turn_.arrive_and_wait(); !own->ended_; own->turn_.arrive_and_wait()) {
        if (status.ok()) status = (*rank)->Step(own->seconds_[static_cast<size_t>(r)]);
        own->turn_.arrive_and_wait();
      }
    });
  }
  ranks->turn_.arrive_and_wait();
  MILLRACE_RETURN_IF_ERROR(ranks->status());
  return ranks;
}

TableRanks::~TableRanks() {
  ended_ = true;
  turn_.arrive_and_wait();
}

absl::Status TableRanks::status() const {
  for (const absl::Status& status : statuses_) MILLRACE_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::StatusOr<TableRanks::Seconds> TableRanks::Step() {
  turn_.arrive_and_wait();
  turn_.arrive_and_wait();
  MILLRACE_RETURN_IF_ERROR(status());
  Seconds slowest;
  for (const auto part : {&Seconds::ids, &Seconds::forward, &Seconds::update}) {
    slowest.*part = std::ranges::max(seconds_, {}, part).*part;
  }
  return slowest;
}

}  // namespace millrace
