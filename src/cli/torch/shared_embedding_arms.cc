#include "cli/torch/shared_embedding_arms.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "backends/c10d_store_adapter.h"
#include "backends/dlrm/tensor_exchange.h"
#include "backends/gloo_collectives.h"
#include "backends/shm_collectives.h"
#include "cli/torch/embedding_batches.h"
#include "embedding/sharded_bags.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr auto kTimeout = std::chrono::seconds(30);

using JoinGroup = std::function<absl::StatusOr<std::unique_ptr<Collectives>>(int rank)>;

// What one rank does.
class Rank {
 public:
  // Its part of every batch's samples.
  Rank(const EmbeddingBenchOptions& options, int columns, IdDistribution distribution, int rank) {
    const int64_t begin = int64_t{options.samples} * rank / options.ranks;
    const int64_t end = int64_t{options.samples} * (rank + 1) / options.ranks;
    samples_ = end - begin;
    const int64_t bag = options.bag;
    for (const EmbeddingBatch& whole : DrawBatches(options, distribution)) {
      EmbeddingBatch& part = batches_.emplace_back();
      for (int64_t t = 0; t < options.tables; ++t) {
        const auto first = whole.ids.begin() + t * options.samples * bag;
        part.ids.insert(part.ids.end(), first + begin * bag, first + end * bag);
      }
      part.lengths.assign(static_cast<size_t>(options.tables * samples_), options.bag);
    }
    for (int t = 0; t < options.tables; ++t) {
      const std::string name = std::to_string(t);
      tables_.tables.push_back({.name = name, .rows = options.rows, .columns = columns});
      tables_.features.push_back({.name = name, .table = t});
    }
    tables_.plan = embedding::PlanTableWise(tables_.tables, options.ranks);
    tables_.rank = rank;
    tables_.ranks = options.ranks;
    tables_.seed = 1;
  }

  absl::Status Join(const JoinGroup& join) {
    MILLRACE_ASSIGN_OR_RETURN(bags_, embedding::ShardedBags::Create(std::move(tables_)));
    out_.assign(static_cast<size_t>(samples_ * bags_->width()), 0.5F);
    gradients_ = out_;
    MILLRACE_ASSIGN_OR_RETURN(group_, join(bags_->options().rank));
    return absl::OkStatus();
  }

  absl::Status Step() {
    const EmbeddingBatch& batch = batches_[next_++ % batches_.size()];
    TensorExchange exchange(*group_);
    MILLRACE_RETURN_IF_ERROR(bags_->SetBatch({batch.lengths, batch.ids, samples_}, exchange));
    MILLRACE_RETURN_IF_ERROR(bags_->Forward(out_.data(), exchange));
    return bags_->Update(gradients_.data(), {.learning_rate = 0.01F}, exchange);
  }

 private:
  int64_t samples_ = 0;
  std::vector<EmbeddingBatch> batches_;
  embedding::ShardedBags::Options tables_;  // until Join()
  std::unique_ptr<embedding::ShardedBags> bags_;
  std::unique_ptr<Collectives> group_;
  std::vector<float> out_, gradients_;
  size_t next_ = 0;
};

// Ranks that wait for the next step on threads of their own.
class SharedArm {
 public:
  SharedArm(const EmbeddingBenchOptions& options, int columns, IdDistribution distribution,
            const JoinGroup& join)
      : statuses_(static_cast<size_t>(options.ranks)), turn_(options.ranks + 1) {
    for (int r = 0; r < options.ranks; ++r) {
      threads_.emplace_back([this, options, columns, distribution, join, r] {
        Rank rank(options, columns, distribution, r);
        absl::Status& status = statuses_[static_cast<size_t>(r)];
        status = rank.Join(join);
        turn_.arrive_and_wait();
        for (turn_.arrive_and_wait(); !ended_; turn_.arrive_and_wait()) {
          if (status.ok()) status = rank.Step();
          turn_.arrive_and_wait();
        }
      });
    }
    turn_.arrive_and_wait();
  }
  ~SharedArm() {
    ended_ = true;
    turn_.arrive_and_wait();
  }

  absl::Status status() const {
    for (const absl::Status& status : statuses_) MILLRACE_RETURN_IF_ERROR(status);
    return absl::OkStatus();
  }
  void Step() {
    turn_.arrive_and_wait();
    turn_.arrive_and_wait();
    MILLRACE_CHECK(status().ok(), "a group that stays together");
  }

 private:
  std::vector<absl::Status> statuses_;
  std::barrier<> turn_;
  std::atomic<bool> ended_ = false;
  std::vector<std::jthread> threads_;  // last: they use everything above
};

}  // namespace

absl::StatusOr<std::vector<BenchArm>> SharedStepArms(const EmbeddingBenchOptions& options,
                                                     int columns, IdDistribution distribution) {
  MILLRACE_ASSIGN_OR_RETURN(auto arms, OwnStepArm(options, columns, distribution));
  static std::atomic<int> groups{0};
  const auto file =
      std::filesystem::path("/dev/shm") / fmt::format("millrace-bench-{}-{}", ::getpid(), groups++);
  const auto store = MakeProcessStore();
  const JoinGroup over_shm = [&](int rank) {
    return MakeShmCollectives(
        {.file = file, .rank = rank, .size = options.ranks, .timeout = kTimeout});
  };
  const JoinGroup over_gloo = [&](int rank) {
    return MakeGlooCollectives(store, rank, options.ranks, kTimeout);
  };
  for (const auto& [name, join] : {std::pair{"shm", over_shm}, {"gloo", over_gloo}}) {
    const auto arm = std::make_shared<SharedArm>(options, columns, distribution, join);
    MILLRACE_RETURN_IF_ERROR(arm->status());
    arms.push_back({name, [arm] { arm->Step(); }});
  }
  return arms;
}

}  // namespace millrace
