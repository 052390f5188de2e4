#include "backends/dense/dense_backend.h"

#include <cmath>
#include <exception>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "backends/native/native_policy.h"
#include "backends/native/native_trainer.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// LibTorch and a user's policy throw.
template <typename Function>
absl::Status Catch(const char* what, Function function) {
  try {
    function();
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("backend dense: ", what, ": ", error.what()));
  }
}

}  // namespace

absl::Status CheckState(const std::string& name, const torch::Tensor& expected,
                        const std::map<std::string, torch::Tensor>& state) {
  const auto found = state.find(name);
  if (found == state.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("optimiser state: tensor \"", name, "\" is missing"));
  }
  const torch::Tensor& got = found->second;
  if (got.sizes() == expected.sizes() && got.scalar_type() == expected.scalar_type()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "optimiser state: ", name, ": expected ", torch::toString(expected.scalar_type()), " [",
      absl::StrJoin(expected.sizes(), ", "), "], got ", torch::toString(got.scalar_type()), " [",
      absl::StrJoin(got.sizes(), ", "), "]"));
}

DenseBackend::DenseBackend(std::shared_ptr<Policy> policy,
                           std::unique_ptr<FlatParameters> parameters, const AdamOptions& adam)
    : policy_(std::move(policy)),
      parameters_(std::move(parameters)),
      adam_(parameters_->trainable(), adam),
      normalizers_(dynamic_cast<const BuiltinPolicy*>(policy_.get()), *parameters_),
      weights_(parameters_->weights()),
      state_(normalizers_.State()) {
  state_["adam.mean"] = adam_.mean();
  state_["adam.variance"] = adam_.variance();
  state_["adam.step"] = adam_.step();
}

void DenseBackend::ComputeWith(std::unique_ptr<HeadEvaluator> evaluator,
                               std::unique_ptr<RowTrainer> row_trainer) {
  evaluator_ = std::move(evaluator);
  row_trainer_ = std::move(row_trainer);
}

void DenseBackend::AddState(const std::string& name, const torch::Tensor& tensor, bool optional) {
  state_[name] = tensor;
  if (optional) optional_.insert(name);
}

absl::StatusOr<std::unique_ptr<DenseBackend>> DenseBackend::Create(std::shared_ptr<Policy> policy,
                                                                   const AdamOptions& adam,
                                                                   Evaluation evaluation) {
  MILLRACE_ASSIGN_OR_RETURN(auto parameters, FlatParameters::Create(policy));
  std::unique_ptr<DenseBackend> backend(new DenseBackend(policy, std::move(parameters), adam));
  std::unique_ptr<RowTrainer> row_trainer;
  if (evaluation == Evaluation::kNative && backend->device().is_cpu()) {
    auto builtin = std::dynamic_pointer_cast<const BuiltinPolicy>(policy);
    if (builtin != nullptr && NativeTrainer::Trains(builtin->spec().type)) {
      const auto& kernels = kernels::BestKernels();
      auto network = std::make_unique<NativePolicy>(builtin->spec(), kernels);
      row_trainer = std::make_unique<NativeTrainer>(std::move(builtin), std::move(network),
                                                    *backend->parameters_, backend->adam_,
                                                    backend->exchange_, kernels);
    }
  }
  std::unique_ptr<HeadEvaluator> evaluator;
  if (evaluation != Evaluation::kAutograd) {
    evaluator = MakeMlpEvaluator(policy, *backend->parameters_);
  }
  if (evaluator == nullptr) evaluator = MakeAutogradEvaluator(policy, *backend->parameters_);
  backend->ComputeWith(std::move(evaluator), std::move(row_trainer));
  return backend;
}

absl::StatusOr<HeadOutputs> DenseBackend::Forward(const TensorDict& minibatch) {
  HeadOutputs heads;
  MILLRACE_RETURN_IF_ERROR(Catch("forward", [&] { heads = evaluator_->Forward(minibatch); }));
  return heads;
}

absl::StatusOr<HeadOutputs> DenseBackend::Evaluate(const TensorDict& minibatch) {
  const torch::NoGradGuard no_gradient;
  HeadOutputs heads;
  MILLRACE_RETURN_IF_ERROR(Catch("evaluation", [&] { heads = ForwardOf(*policy_, minibatch); }));
  return heads;
}

absl::Status DenseBackend::Backward(const HeadOutputs& heads) {
  return Catch("backward", [&] { evaluator_->Backward(heads); });
}

absl::StatusOr<StepReport> DenseBackend::Step(const OptimizerStep& step, Collectives& group) {
  const torch::NoGradGuard no_gradient;
  torch::Tensor& gradients = parameters_->gradients();
  MILLRACE_RETURN_IF_ERROR(CombineGradients(gradients, group));
  StepReport report;
  report.gradient_norm = gradients.norm().item<double>();
  report.skipped = !std::isfinite(report.gradient_norm);
  if (report.skipped) return report;
  if (const double scale = step.GradientScale(report.gradient_norm); scale < 1) {
    gradients.mul_(scale);
  }
  MILLRACE_RETURN_IF_ERROR(Catch("optimiser", [&] {
    adam_.Step(parameters_->trainable(), gradients, step.learning_rate, step.epsilon);
  }));
  return report;
}

absl::Status DenseBackend::UpdateNormalizers(const TensorDict& batch,
                                             const torch::Tensor& value_targets,
                                             Collectives& group) {
  absl::Status status;
  MILLRACE_RETURN_IF_ERROR(
      Catch("normalisers", [&] { status = normalizers_.Update(batch, value_targets, group); }));
  return status;
}

torch::Tensor DenseBackend::DenormalizeValue(const torch::Tensor& value) const {
  return normalizers_.DenormalizeValue(value);
}

torch::Tensor DenseBackend::NormalizeValue(const torch::Tensor& value) const {
  return normalizers_.NormalizeValue(value);
}

void DenseBackend::Snapshot(std::span<std::byte> blob) const { parameters_->Snapshot(blob); }

absl::Status DenseBackend::LoadWeights(std::span<const std::byte> blob) {
  MILLRACE_RETURN_IF_ERROR(parameters_->Load(blob));
  normalizers_.ReadBuffers();
  return absl::OkStatus();
}

std::map<std::string, torch::Tensor> DenseBackend::OptimizerState() const {
  std::map<std::string, torch::Tensor> copies;
  for (const auto& [name, tensor] : state_) {
    copies[name] = tensor.to(torch::kCPU, tensor.scalar_type(), /*non_blocking=*/false,
                             /*copy=*/true);
  }
  return copies;
}

absl::Status DenseBackend::LoadOptimizerState(const std::map<std::string, torch::Tensor>& state) {
  std::set<std::string> absent;
  for (const auto& [name, tensor] : state_) {
    const absl::Status fits = CheckState(name, tensor, state);
    if (fits.ok()) continue;
    if (!optional_.contains(name)) return fits;
    absent.insert(name);
  }
  for (auto& [name, tensor] : state_) {
    if (!absent.contains(name)) tensor.copy_(state.at(name));
  }
  return absl::OkStatus();
}

void DenseBackend::Checkpoint() {
  exchange_.Checkpoint();
  if (saved_.empty()) {
    saved_.push_back(weights_.clone());
    for (const auto& [name, tensor] : state_) saved_.push_back(tensor.clone());
    return;
  }
  size_t next = 0;
  saved_[next++].copy_(weights_);
  for (const auto& [name, tensor] : state_) saved_[next++].copy_(tensor);
}

void DenseBackend::Rollback() {
  MILLRACE_CHECK(!saved_.empty(), "Rollback without a Checkpoint");
  exchange_.Rollback();
  size_t next = 0;
  weights_.copy_(saved_[next++]);
  for (auto& [name, tensor] : state_) tensor.copy_(saved_[next++]);
}

absl::Status DenseBackend::Synchronize(Collectives& group, int root) {
  MILLRACE_RETURN_IF_ERROR(group.Broadcast(weights_, root));
  for (auto& [name, tensor] : state_) MILLRACE_RETURN_IF_ERROR(group.Broadcast(tensor, root));
  return absl::OkStatus();
}

AdamOptions ReadAdamOptions(const Options& options) {
  AdamOptions adam;
  adam.beta1 = options.GetDouble("beta1", adam.beta1, 0, 1);
  adam.beta2 = options.GetDouble("beta2", adam.beta2, 0, 1);
  adam.weight_decay = options.GetDouble("weight_decay", adam.weight_decay, 0, 1e6);
  return adam;
}

namespace {

absl::StatusOr<std::unique_ptr<Backend>> MakeBackend(const Options& options,
                                                     std::shared_ptr<Policy> policy,
                                                     const std::string& name,
                                                     DenseBackend::Evaluation evaluation) {
  const AdamOptions adam = ReadAdamOptions(options);
  const auto exchange = GradientExchangeOptions::FromOptions(options);
  MILLRACE_RETURN_IF_ERROR(options.Finish("backend " + name));
  MILLRACE_ASSIGN_OR_RETURN(auto backend,
                            DenseBackend::Create(std::move(policy), adam, evaluation));
  backend->ConfigureExchange(exchange);
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> MakeDenseBackend(const Options& options,
                                                          std::shared_ptr<Policy> policy) {
  return MakeBackend(options, std::move(policy), "dense", DenseBackend::Evaluation::kAuto);
}

absl::StatusOr<std::unique_ptr<Backend>> MakeNativeBackend(const Options& options,
                                                           std::shared_ptr<Policy> policy) {
  return MakeBackend(options, std::move(policy), "native", DenseBackend::Evaluation::kNative);
}

}  // namespace millrace
