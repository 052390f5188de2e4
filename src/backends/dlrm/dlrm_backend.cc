#include "backends/dlrm/dlrm_backend.h"

#include <cmath>
#include <map>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
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

absl::StatusOr<std::unique_ptr<embedding::EmbeddingBags>> MakeBags(const DlrmPolicy& policy,
                                                                   const TableSettings& settings,
                                                                   int threads) {
  std::vector<embedding::EmbeddingTable> tables;
  std::vector<embedding::Feature> features;
  for (const IdFeature& feature : policy.features()) {
    features.push_back(
        {.name = feature.name,
         .table = static_cast<int>(tables.size()),
         .pooling = policy.mean() ? embedding::Pooling::kMean : embedding::Pooling::kSum});
    MILLRACE_ASSIGN_OR_RETURN(
        auto table, embedding::EmbeddingTable::Create({.name = feature.name,
                                                       .rows = feature.rows,
                                                       .columns = policy.columns(),
                                                       .type = settings.rows,
                                                       .optimizer = settings.step.optimizer},
                                                      policy.seed()));
    tables.push_back(std::move(table));
  }
  return embedding::EmbeddingBags::Create(std::move(tables), std::move(features), threads);
}

}  // namespace

TableSettings TableSettings::FromOptions(const Options& options) {
  TableSettings settings;
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

DlrmBackend::DlrmBackend(std::shared_ptr<DlrmPolicy> policy,
                         std::unique_ptr<FlatParameters> parameters, const AdamOptions& adam,
                         const TableSettings& tables,
                         std::unique_ptr<embedding::EmbeddingBags> bags)
    : DenseBackend(policy, std::move(parameters), adam),
      policy_(std::move(policy)),
      tables_(tables),
      bags_(std::move(bags)) {
  AddTables();
}

absl::StatusOr<std::unique_ptr<DlrmBackend>> DlrmBackend::Create(std::shared_ptr<DlrmPolicy> policy,
                                                                 const AdamOptions& adam,
                                                                 const TableSettings& tables,
                                                                 int threads) {
  MILLRACE_ASSIGN_OR_RETURN(auto bags, MakeBags(*policy, tables, threads));
  MILLRACE_ASSIGN_OR_RETURN(auto parameters, FlatParameters::Create(policy));
  std::unique_ptr<DlrmBackend> backend(
      new DlrmBackend(policy, std::move(parameters), adam, tables, std::move(bags)));
  backend->ComputeWith(MakeAutogradEvaluator(std::move(policy), backend->parameters()), nullptr);
  return backend;
}

void DlrmBackend::AddTables() {
  AddState("table.step", steps_, /*optional=*/false);
  for (const embedding::EmbeddingTable& table : bags_->tables()) {
    const embedding::TableOptions& options = table.options();
    const embedding::Rows& rows = table.rows();
    const std::string name = absl::StrCat("table.", options.name, ".");
    // Rows of 16 bits as their bytes: the format of checkpoints has no such numbers.
    const bool whole = options.type == RowType::kFloat32;
    const int64_t bytes = embedding::ElementBytes(options.type);
    AddState(name + "rows",
             torch::from_blob(rows.data, {options.rows, options.columns * (whole ? 1 : bytes)},
                              {rows.row_bytes / (whole ? bytes : 1), 1},
                              whole ? torch::kFloat32 : torch::kUInt8),
             /*optional=*/false);
    if (rows.state_size == 0) continue;
    AddState(name + "optimizer", torch::from_blob(rows.state, {options.rows, rows.state_size}),
             /*optional=*/false);
  }
}

absl::StatusOr<TensorDict> DlrmBackend::WithBags(const TensorDict& minibatch) {
  const torch::Tensor ids = minibatch.at(ObservationField(kIds)).contiguous();
  const torch::Tensor counts = minibatch.at(ObservationField(kIdCounts)).contiguous();
  const int64_t samples = ids.size(0);
  const int64_t features = std::ssize(policy_->features());
  MILLRACE_RETURN_IF_ERROR(
      ids_.Set(Numbers<int64_t>(ids), Numbers<int32_t>(counts), samples, features));
  MILLRACE_RETURN_IF_ERROR(bags_->SetBatch(ids_.batch()));
  bags_of_minibatch_ = torch::empty({samples, features, embedding::PadColumns(policy_->columns())});
  bags_->Forward(bags_of_minibatch_.data_ptr<float>());
  TensorDict with_bags = minibatch;
  with_bags[DlrmPolicy::kBags] = bags_of_minibatch_;
  return with_bags;
}

absl::StatusOr<HeadOutputs> DlrmBackend::Forward(const TensorDict& minibatch) {
  MILLRACE_ASSIGN_OR_RETURN(TensorDict with_bags, WithBags(minibatch));
  const torch::AutoGradMode with_gradient(true);
  torch::Tensor& bags = with_bags[DlrmPolicy::kBags];
  bags.set_requires_grad(true);
  bags = bags.narrow(2, 0, policy_->columns());
  return DenseBackend::Forward(with_bags);
}

absl::StatusOr<HeadOutputs> DlrmBackend::Evaluate(const TensorDict& minibatch) {
  MILLRACE_ASSIGN_OR_RETURN(TensorDict with_bags, WithBags(minibatch));
  torch::Tensor& bags = with_bags[DlrmPolicy::kBags];
  bags = bags.narrow(2, 0, policy_->columns());
  return DenseBackend::Evaluate(with_bags);
}

absl::StatusOr<StepReport> DlrmBackend::Step(const OptimizerStep& step, Collectives& group) {
  const torch::Tensor gradients = bags_of_minibatch_.grad();
  MILLRACE_ASSIGN_OR_RETURN(StepReport report, DenseBackend::Step(step, group));
  if (report.skipped || !gradients.defined()) return report;
  const torch::NoGradGuard no_gradient;
  if (const double scale = step.GradientScale(report.gradient_norm); scale < 1) {
    gradients.mul_(scale);
  }
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
  bags_->Update(gradients.contiguous().const_data_ptr<float>(), update);
  return report;
}

absl::StatusOr<std::unique_ptr<Backend>> MakeDlrmBackend(const Options& options,
                                                         std::shared_ptr<Policy> policy) {
  const AdamOptions adam = ReadAdamOptions(options);
  const TableSettings tables = TableSettings::FromOptions(options);
  MILLRACE_RETURN_IF_ERROR(options.Finish("backend dlrm"));
  auto dlrm = std::dynamic_pointer_cast<DlrmPolicy>(std::move(policy));
  if (dlrm == nullptr) {
    return absl::InvalidArgumentError(
        "backend dlrm: expected the model dlrm, got one without embedding tables");
  }
  MILLRACE_ASSIGN_OR_RETURN(
      auto backend, DlrmBackend::Create(std::move(dlrm), adam, tables, at::get_num_threads()));
  return backend;
}

}  // namespace millrace
