#include "backends/dlrm/dlrm_backend.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/dlrm/tensor_exchange.h"
#include "backends/single_rank_collectives.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr uint64_t kRoundingStream = 0x526F756E64;

using embedding::Optimizer;
using embedding::RowType;

// The names, in the order of their enumerators.
const std::vector<std::string> kRowTypes = {"float32", "float16", "bfloat16"};
const std::vector<std::string> kOptimizers = {"sgd", "adagrad", "rowwise_adagrad", "adam",
                                              "rowwise_adam"};

template <typename Enum>
Enum Choose(const Options& options, const char* key, Enum fallback,
            const std::vector<std::string>& names) {
  const std::string chosen = options.GetChoice(key, names[static_cast<size_t>(fallback)], names);
  return static_cast<Enum>(std::ranges::find(names, chosen) - names.begin());
}

template <typename T>
std::span<const T> Numbers(const torch::Tensor& tensor) {
  return {tensor.const_data_ptr<T>(), static_cast<size_t>(tensor.numel())};
}

}  // namespace

TableSettings TableSettings::FromOptions(const Options& options) {
  TableSettings settings;
  settings.slices = options.GetInt("slices", settings.slices, 0, 1 << 20);
  const std::string exchange =
      options.GetChoice("exchange", "float32", {"float32", "float16", "int8"});
  if (exchange == "float16") {
    settings.bags = embedding::WireType::kFloat16;
    settings.gradients = embedding::WireType::kBfloat16;  // small ones do not become zero
  } else if (exchange == "int8") {
    settings.bags = settings.gradients = embedding::WireType::kInt8;
  }
  settings.plan_file = options.GetString("plan_file", "");
  settings.sharding = Choose(options, "sharding", settings.sharding, kShardings);
  settings.rows = Choose(options, "table_rows", settings.rows, kRowTypes);
  settings.stochastic_rounding =
      options.GetChoice("rounding", "stochastic", {"stochastic", "nearest"}) == "stochastic";
  embedding::UpdateStep& step = settings.step;
  step.optimizer = Choose(options, "table_optimizer", step.optimizer, kOptimizers);
  step.learning_rate =
      static_cast<float>(options.GetDouble("table_learning_rate", step.learning_rate, 0, 1e6));
  step.epsilon = static_cast<float>(options.GetDouble("table_epsilon", step.epsilon, 0, 1));
  return settings;
}

DlrmBackend::DlrmBackend(std::shared_ptr<TablePolicy> policy,
                         std::unique_ptr<FlatParameters> parameters, const AdamOptions& adam,
                         const TableSettings& tables, int threads)
    : DenseBackend(policy, std::move(parameters), adam),
      policy_(std::move(policy)),
      tables_(tables),
      threads_(threads),
      alone_(MakeSingleRankCollectives()),
      group_(alone_.get()) {
  AddState("table.step", steps_, /*optional=*/false);
}

absl::StatusOr<std::unique_ptr<DlrmBackend>> DlrmBackend::Create(
    std::shared_ptr<TablePolicy> policy, const AdamOptions& adam, const TableSettings& tables,
    int threads) {
  MILLRACE_ASSIGN_OR_RETURN(auto parameters, FlatParameters::Create(policy));
  std::unique_ptr<DlrmBackend> backend(
      new DlrmBackend(policy, std::move(parameters), adam, tables, threads));
  if (tables.slices == 0) {
    backend->ComputeWith(MakeAutogradEvaluator(std::move(policy), backend->parameters()), nullptr);
  } else {
    auto sliced = std::make_unique<SlicedEvaluator>(std::move(policy), backend->parameters());
    backend->sliced_ = sliced.get();
    backend->ComputeWith(std::move(sliced), nullptr);
  }
  return backend;
}

std::vector<embedding::TableOptions> DlrmBackend::tables() const {
  std::vector<embedding::TableOptions> tables;
  for (const TablePolicy::Table& table : policy_->tables()) {
    tables.push_back({.name = table.name,
                      .rows = table.rows,
                      .columns = policy_->columns(),
                      .type = tables_.rows,
                      .optimizer = tables_.step.optimizer});
  }
  return tables;
}

std::vector<embedding::Feature> DlrmBackend::features() const {
  std::vector<embedding::Feature> features;
  for (const IdFeature& feature : policy_->features()) {
    features.push_back(
        {.name = feature.name,
         .table = policy_->table_of(features.size()),
         .pooling = policy_->mean() ? embedding::Pooling::kMean : embedding::Pooling::kSum});
  }
  return features;
}

absl::Status DlrmBackend::Shard(int rank, int ranks) {
  if (acts() && ranks > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "workers.trainer.count: expected 1 with a model that acts and has tables, got ", ranks));
  }
  if (tables_.slices % ranks != 0) {
    return absl::InvalidArgumentError(absl::StrCat("backend.slices: expected a multiple of the ",
                                                   ranks, " trainers (workers.trainer.count), got ",
                                                   tables_.slices));
  }
  if (sliced_ != nullptr) sliced_->Cut(tables_.slices / ranks, ranks);
  auto shared = tables();
  // As many as lists can be long: no rank knows more of the samples of all.
  std::vector<double> lookups(shared.size());
  for (size_t f = 0; f < policy_->features().size(); ++f) {
    lookups[static_cast<size_t>(policy_->table_of(f))] +=
        static_cast<double>(policy_->features()[f].max_length);
  }
  MILLRACE_ASSIGN_OR_RETURN(auto plan, tables_.plan_file.empty() || ranks == 1
                                           ? MakeTablePlan(tables_.sharding, shared, lookups, ranks)
                                           : ReadTablePlan(tables_.plan_file, shared, ranks));
  MILLRACE_ASSIGN_OR_RETURN(bags_,
                            embedding::ShardedBags::Create({.tables = std::move(shared),
                                                            .features = features(),
                                                            .plan = std::move(plan),
                                                            .rank = rank,
                                                            .ranks = ranks,
                                                            .seed = policy_->seed(),
                                                            .threads = threads_,
                                                            .bags = tables_.bags,
                                                            .gradients = tables_.gradients}));
  CopyAllRowsToWeights();
  return absl::OkStatus();
}

void DlrmBackend::CopyAllRowsToWeights() {
  if (!acts()) return;
  changed_rows_.clear();
  changed_.clear();
  for (const embedding::EmbeddingTable& table : bags_->shards()) {
    const auto rows = static_cast<size_t>(table.options().rows);
    std::vector<int64_t>& all = changed_rows_.emplace_back(rows);
    std::iota(all.begin(), all.end(), 0);
    changed_.emplace_back(rows, true);
  }
  CopyChangedRowsToWeights();
}

void DlrmBackend::NoteRowsOfMinibatch() {
  const embedding::JaggedIds batch = ids_.batch();
  const int64_t* id = batch.ids.data();
  for (int64_t f = 0; f < batch.features(); ++f) {
    const auto table = static_cast<size_t>(policy_->table_of(static_cast<size_t>(f)));
    const auto lengths = batch.LengthsOf(f);
    const int64_t* const end = id + std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
    for (; id < end; ++id) {
      const auto row = static_cast<size_t>(*id);
      if (changed_[table][row]) continue;
      changed_[table][row] = true;
      changed_rows_[table].push_back(*id);
    }
  }
}

void DlrmBackend::CopyChangedRowsToWeights() {
  for (size_t t = 0; t < changed_rows_.size(); ++t) {
    float* const weights = policy_->rows(t).data_ptr<float>();
    for (const int64_t row : changed_rows_[t]) {
      std::ranges::copy(bags_->shards()[t].Row(row), weights + row * policy_->columns());
      changed_[t][static_cast<size_t>(row)] = false;
    }
    changed_rows_[t].clear();
  }
}

absl::StatusOr<std::map<std::string, double>> DlrmBackend::EndBatch(const BatchEnd& /*batch*/) {
  std::map<std::string, double> metrics;
  if (!acts()) return metrics;
  double changed = 0, all = 0;
  for (size_t t = 0; t < changed_rows_.size(); ++t) {
    changed += static_cast<double>(changed_rows_[t].size());
    all += static_cast<double>(changed_[t].size());
  }
  CopyChangedRowsToWeights();
  metrics["changed_rows"] = changed / all;
  return metrics;
}

absl::StatusOr<TensorDict> DlrmBackend::WithBags(const TensorDict& minibatch) {
  const torch::Tensor ids = minibatch.at(ObservationField(kIds)).contiguous();
  const torch::Tensor counts = minibatch.at(ObservationField(kIdCounts)).contiguous();
  const int64_t samples = ids.size(0);
  const int64_t features = std::ssize(policy_->features());
  if (group_->size() != bags_->options().ranks) {
    return absl::FailedPreconditionError("backend dlrm: Synchronize() with the group is missing");
  }
  TensorExchange exchange(*group_);
  MILLRACE_RETURN_IF_ERROR(
      ids_.Set(Numbers<int64_t>(ids), Numbers<int32_t>(counts), samples, policy_->used()));
  MILLRACE_RETURN_IF_ERROR(bags_->SetBatch(ids_.batch(), exchange));
  bags_of_minibatch_ = torch::empty({samples, features, embedding::PadColumns(policy_->columns())});
  MILLRACE_RETURN_IF_ERROR(bags_->Forward(bags_of_minibatch_.data_ptr<float>(), exchange));
  TensorDict with_bags = minibatch;
  with_bags[TablePolicy::kBags] = bags_of_minibatch_;
  return with_bags;
}

absl::StatusOr<HeadOutputs> DlrmBackend::Forward(const TensorDict& minibatch) {
  MILLRACE_ASSIGN_OR_RETURN(TensorDict with_bags, WithBags(minibatch));
  if (sliced_ != nullptr && bags_of_minibatch_.size(0) * group_->size() % tables_.slices != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "backend.slices: expected a divisor of the minibatch of ",
        bags_of_minibatch_.size(0) * group_->size(), " samples, got ", tables_.slices));
  }
  const torch::AutoGradMode with_gradient(true);
  torch::Tensor& bags = with_bags[TablePolicy::kBags];
  bags.set_requires_grad(true);
  bags = bags.narrow(2, 0, policy_->columns());
  return DenseBackend::Forward(with_bags);
}

absl::StatusOr<HeadOutputs> DlrmBackend::Evaluate(const TensorDict& minibatch) {
  MILLRACE_ASSIGN_OR_RETURN(TensorDict with_bags, WithBags(minibatch));
  torch::Tensor& bags = with_bags[TablePolicy::kBags];
  bags = bags.narrow(2, 0, policy_->columns());
  return DenseBackend::Evaluate(with_bags);
}

embedding::UpdateStep DlrmBackend::NextStep() {
  steps_.add_(1);
  const auto steps = steps_.item<int64_t>();
  embedding::UpdateStep update = tables_.step;
  update.beta1 = static_cast<float>(adam().options().beta1);
  update.beta2 = static_cast<float>(adam().options().beta2);
  update.correction1 = static_cast<float>(1 - std::pow(adam().options().beta1, steps));
  update.correction2 = static_cast<float>(1 - std::pow(adam().options().beta2, steps));
  update.stochastic_rounding = tables_.stochastic_rounding;
  Rng rng(policy_->seed(), kRoundingStream, static_cast<uint64_t>(steps));
  update.rounding_key = static_cast<uint32_t>(rng.Below(uint64_t{1} << 32));
  return update;
}

absl::StatusOr<StepReport> DlrmBackend::Step(const OptimizerStep& step, Collectives& group) {
  MILLRACE_ASSIGN_OR_RETURN(StepReport report, DenseBackend::Step(step, group));
  if (report.skipped) return report;
  const torch::NoGradGuard no_gradient;
  torch::Tensor gradients = bags_of_minibatch_.grad();
  if (!gradients.defined()) gradients = torch::zeros_like(bags_of_minibatch_);
  // A rank's loss is the mean over its own samples; slices know that.
  if (group.size() > 1 && sliced_ == nullptr) gradients.div_(group.size());
  if (const double scale = step.GradientScale(report.gradient_norm); scale < 1) {
    gradients.mul_(scale);
  }
  gathered_.clear();
  TensorExchange exchange(group);
  MILLRACE_RETURN_IF_ERROR(
      bags_->Update(gradients.contiguous().const_data_ptr<float>(), NextStep(), exchange));
  if (acts()) NoteRowsOfMinibatch();
  return report;
}

absl::Status DlrmBackend::CombineGradients(torch::Tensor& gradients, Collectives& group) {
  if (sliced_ == nullptr) return DenseBackend::CombineGradients(gradients, group);
  return SumSlices(sliced_->gradients(), gradients, group);
}

absl::Status DlrmBackend::Gather(Collectives& group) {
  MILLRACE_ASSIGN_OR_RETURN(gathered_, GatherTables(*bags_, group));
  return absl::OkStatus();
}

std::map<std::string, torch::Tensor> DlrmBackend::OptimizerState() const {
  auto state = DenseBackend::OptimizerState();
  state.merge(gathered_.empty() ? CopyTables(*bags_) : TableState(gathered_));
  return state;
}

absl::Status DlrmBackend::LoadOptimizerState(const std::map<std::string, torch::Tensor>& state) {
  gathered_.clear();
  MILLRACE_RETURN_IF_ERROR(LoadTables(state, *bags_));
  CopyAllRowsToWeights();
  return DenseBackend::LoadOptimizerState(state);
}

void DlrmBackend::Checkpoint() {
  DenseBackend::Checkpoint();
  if (!sharded()) saved_ = CopyTables(*bags_);
}

void DlrmBackend::Rollback() {
  DenseBackend::Rollback();
  if (!sharded()) MILLRACE_CHECK(LoadTables(saved_, *bags_).ok(), "tables of another model");
}

absl::Status DlrmBackend::Synchronize(Collectives& group, int root) {
  group_ = &group;
  torch::Tensor all = torch::empty({group.size(), 1}, torch::kInt64);
  MILLRACE_RETURN_IF_ERROR(group.AllGather(steps_, all));
  if (all.min().item<int64_t>() != all.max().item<int64_t>()) {
    return absl::AbortedError(
        absl::StrCat("backend dlrm: the trainers have tables of different steps, from ",
                     all.min().item<int64_t>(), " to ", all.max().item<int64_t>()));
  }
  return DenseBackend::Synchronize(group, root);
}

absl::StatusOr<std::unique_ptr<Backend>> MakeDlrmBackend(const Options& options,
                                                         std::shared_ptr<Policy> policy) {
  const AdamOptions adam = ReadAdamOptions(options);
  const TableSettings tables = TableSettings::FromOptions(options);
  if (!tables.plan_file.empty() && options.Has("sharding")) {
    return absl::InvalidArgumentError("backend dlrm: expected sharding or plan_file, got both");
  }
  MILLRACE_RETURN_IF_ERROR(options.Finish("backend dlrm"));
  auto dlrm = std::dynamic_pointer_cast<TablePolicy>(std::move(policy));
  if (dlrm == nullptr) {
    return absl::InvalidArgumentError(
        "backend dlrm: expected a model with embedding tables (dlrm, slate), got one without");
  }
  MILLRACE_ASSIGN_OR_RETURN(
      auto backend, DlrmBackend::Create(std::move(dlrm), adam, tables, at::get_num_threads()));
  return backend;
}

}  // namespace millrace
