#include "cli/torch/embedding_arms.h"

#include <memory>

#include "embedding/embedding_bags.h"
#include "millrace/core/check.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"
#include "millrace/models/torch.h"

namespace millrace {
namespace {

using torch::Tensor;

// Batches in turn.
class Batches {
 public:
  Batches(const EmbeddingBenchOptions& options, IdDistribution distribution)
      : samples_(options.samples), batches_(DrawBatches(options, distribution)) {}

  embedding::JaggedIds Next() {
    const EmbeddingBatch& batch = batches_[next_++ % batches_.size()];
    return {batch.lengths, batch.ids, samples_};
  }

 private:
  const int64_t samples_;
  const std::vector<EmbeddingBatch> batches_;
  size_t next_ = 0;
};

using Bags = std::unique_ptr<embedding::EmbeddingBags>;

absl::StatusOr<Bags> MakeBags(const EmbeddingBenchOptions& options, int columns) {
  std::vector<embedding::EmbeddingTable> tables;
  std::vector<embedding::Feature> features;
  for (int t = 0; t < options.tables; ++t) {
    MILLRACE_ASSIGN_OR_RETURN(
        auto table,
        embedding::EmbeddingTable::Create(
            {.name = std::to_string(t), .rows = options.rows, .columns = columns}, /*seed=*/1));
    tables.push_back(std::move(table));
    features.push_back({.name = std::to_string(t), .table = t});
  }
  return embedding::EmbeddingBags::Create(std::move(tables), std::move(features), options.threads);
}

// Ours.
class OwnArm {
 public:
  OwnArm(const EmbeddingBenchOptions& options, Bags bags, std::shared_ptr<Batches> batches)
      : bags_(std::move(bags)),
        batches_(std::move(batches)),
        out_(static_cast<size_t>(int64_t{options.samples} * bags_->width())),
        gradients_(out_.size()) {
    Rng rng(1, 2);
    for (float& g : gradients_) g = static_cast<float>(rng.Uniform(-1, 1));
  }

  void Forward() {
    MILLRACE_CHECK(bags_->SetBatch(batches_->Next()).ok(), "ids that there are");
    bags_->Forward(out_.data());
  }
  void Step() {
    Forward();
    bags_->Update(gradients_.data(), {.learning_rate = 0.01F});
  }

  // Fetches 24 rows ahead.
  void Gather() {
    constexpr size_t kAhead = 24;
    constexpr int64_t kLine = 64;
    const embedding::JaggedIds batch = batches_->Next();
    const size_t of_table = batch.ids.size() / bags_->tables().size();
    float sum = 0;
    for (size_t t = 0; t < bags_->tables().size(); ++t) {
      const embedding::Rows& rows = bags_->tables()[t].rows();
      const int64_t* const ids = batch.ids.data() + t * of_table;
      for (size_t i = 0; i < of_table; ++i) {
        if (i + kAhead < of_table) {
          const std::byte* ahead = rows.data + ids[i + kAhead] * rows.row_bytes;
          for (int64_t at = 0; at < rows.row_bytes; at += kLine) __builtin_prefetch(ahead + at);
        }
        const std::byte* row = rows.data + ids[i] * rows.row_bytes;
        for (int64_t at = 0; at < rows.row_bytes; at += kLine) {
          sum += *reinterpret_cast<const float*>(row + at);
        }
      }
    }
    out_[0] = sum;
  }

 private:
  const Bags bags_;
  const std::shared_ptr<Batches> batches_;
  std::vector<float> out_, gradients_;
};

// LibTorch's, with sparse gradients, on weights in memory like ours.
class TorchArm {
 public:
  enum class Kind { kForward, kSgd, kAdaGrad };

  TorchArm(const EmbeddingBenchOptions& options, int columns, Kind kind, Bags memory,
           std::shared_ptr<Batches> batches)
      : memory_(std::move(memory)), batches_(std::move(batches)) {
    for (const embedding::EmbeddingTable& table : memory_->tables()) {
      const embedding::Rows& rows = table.rows();
      weights_.push_back(torch::from_blob(rows.data, {options.rows, columns},
                                          {rows.row_bytes / 4, 1}, torch::kFloat32)
                             .set_requires_grad(kind != Kind::kForward));
    }
    offsets_ = torch::arange(0, int64_t{options.samples} * options.bag, options.bag, torch::kInt64);
    gradient_ = torch::rand({options.samples, columns}) * 2 - 1;
    if (kind == Kind::kSgd) {
      optimizer_ = std::make_unique<torch::optim::SGD>(weights_, torch::optim::SGDOptions(0.01));
    }
    if (kind == Kind::kAdaGrad) {
      optimizer_ =
          std::make_unique<torch::optim::Adagrad>(weights_, torch::optim::AdagradOptions(0.01));
    }
  }

  void Forward() {
    const torch::NoGradGuard no_gradient;
    Sums();
  }
  void Step() {
    optimizer_->zero_grad();
    const std::vector<Tensor> bags = Sums();
    torch::autograd::backward(bags, std::vector<Tensor>(bags.size(), gradient_));
    optimizer_->step();
  }

 private:
  std::vector<Tensor> Sums() {
    const embedding::JaggedIds batch = batches_->Next();
    const auto of_table = static_cast<int64_t>(batch.ids.size() / weights_.size());
    std::vector<Tensor> bags;
    for (size_t t = 0; t < weights_.size(); ++t) {
      const Tensor ids = torch::from_blob(
          const_cast<int64_t*>(batch.ids.data()) + static_cast<int64_t>(t) * of_table, {of_table},
          torch::kInt64);
      bags.push_back(std::get<0>(at::embedding_bag(weights_[t], ids, offsets_,
                                                   /*scale_grad_by_freq=*/false, /*mode=*/0,
                                                   /*sparse=*/true)));
    }
    return bags;
  }

  const Bags memory_;
  const std::shared_ptr<Batches> batches_;
  std::vector<Tensor> weights_;
  Tensor offsets_, gradient_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

}  // namespace

absl::StatusOr<std::vector<BenchArm>> ForwardArms(const EmbeddingBenchOptions& options, int columns,
                                                  IdDistribution distribution) {
  MILLRACE_ASSIGN_OR_RETURN(Bags own_bags, MakeBags(options, columns));
  MILLRACE_ASSIGN_OR_RETURN(Bags memory, MakeBags(options, columns));
  const auto batches = std::make_shared<Batches>(options, distribution);
  const auto own = std::make_shared<OwnArm>(options, std::move(own_bags), batches);
  const auto rival = std::make_shared<TorchArm>(options, columns, TorchArm::Kind::kForward,
                                                std::move(memory), batches);
  return std::vector<BenchArm>{{"millrace", [own] { own->Forward(); }},
                               {"embedding_bag", [rival] { rival->Forward(); }},
                               {"gather", [own] { own->Gather(); }}};
}

absl::StatusOr<std::vector<BenchArm>> OwnStepArm(const EmbeddingBenchOptions& options, int columns,
                                                 IdDistribution distribution) {
  MILLRACE_ASSIGN_OR_RETURN(Bags bags, MakeBags(options, columns));
  const auto own = std::make_shared<OwnArm>(options, std::move(bags),
                                            std::make_shared<Batches>(options, distribution));
  return std::vector<BenchArm>{{"millrace", [own] { own->Step(); }}};
}

absl::StatusOr<std::vector<BenchArm>> StepArms(const EmbeddingBenchOptions& options, int columns,
                                               IdDistribution distribution) {
  const auto batches = std::make_shared<Batches>(options, distribution);
  MILLRACE_ASSIGN_OR_RETURN(auto arms, OwnStepArm(options, columns, distribution));
  for (const auto& [name, kind] :
       {std::pair{"adagrad", TorchArm::Kind::kAdaGrad}, {"sgd", TorchArm::Kind::kSgd}}) {
    MILLRACE_ASSIGN_OR_RETURN(Bags memory, MakeBags(options, columns));
    const auto arm = std::make_shared<TorchArm>(options, columns, kind, std::move(memory), batches);
    arms.push_back({name, [arm] { arm->Step(); }});
  }
  return arms;
}

}  // namespace millrace
