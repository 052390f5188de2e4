#include "backends/nm_sparse/nm_sparse_backend.h"

#include <spdlog/spdlog.h>

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/native/native_trainer.h"
#include "backends/nm_sparse/policy_divergence.h"
#include "backends/nm_sparse/sparse_evaluator.h"
#include "backends/nm_sparse/sparse_modules.h"
#include "backends/nm_sparse/sparse_policy.h"
#include "core/fnv1a.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// Of the schedule, what is where.
enum Slot : size_t { kPatterns, kDense, kSinceChoice, kFrozenAt, kProgress, kScheduleSize };

// Which kernels compute what, and why.
void LogProducts(const Sparsity& sparsity, const SparseNetwork& network) {
  if (sparsity.products != sparse::ProductChoice::kAuto) return;
  const auto log = [](const SparseLayer& layer, const char* pass, const sparse::PackedMatrix& m) {
    if (sparse::IsDense(m.pattern())) return;
    const sparse::ProductTimes times = sparse::TimeProduct(m);
    spdlog::info("{} {}: {} is {:.2f} times as fast as dense; products are {}", layer.name(), pass,
                 sparse::NameOf(m.pattern()), times.dense / times.sparse,
                 m.multiplies_as_dense() ? "dense" : "sparse");
  };
  for (const SparseLayer* layer : network.Layers()) {
    if (layer->is_convolution()) continue;
    log(*layer, "forward", layer->forward());
    if (layer->has_backward()) log(*layer, "input gradient", layer->backward());
  }
}

}  // namespace

NmSparseBackend::NmSparseBackend(std::shared_ptr<BuiltinPolicy> policy,
                                 std::unique_ptr<FlatParameters> parameters,
                                 const AdamOptions& adam_options, const Sparsity& sparsity,
                                 int threads, ModuleProducts products)
    : DenseBackend(policy, std::move(parameters), adam_options),
      sparsity_(sparsity),
      products_(device().is_cpu() ? products : ModuleProducts::kMasked),
      policy_(policy),
      form_(policy->spec(), sparsity),
      network_(MakeNetwork(sparsity, threads)),
      others_(form_.MakeLayers()),
      // Not empty: there is nothing to say of an empty tensor to a group.
      places_(torch::zeros({static_cast<int64_t>(network_->place_bytes()) + 1}, torch::kUInt8)),
      schedule_(torch::zeros({kScheduleSize}, torch::kInt64)) {
  AddState("nm_sparse.places", places_);
  AddState("nm_sparse.schedule", schedule_);
  if (products_ == ModuleProducts::kKernels) LogProducts(sparsity, *network_);
  Begin();
  if (ClearLeftOut()) Choose();
}

std::shared_ptr<SparseNetwork> NmSparseBackend::MakeNetwork(const Sparsity& sparsity, int threads) {
  if (!computes_all()) {
    auto modules = std::make_shared<SparseModules>(policy_, sparsity, threads, products_);
    ComputeWith(MakeSparseModulesEvaluator(policy_, modules, parameters()), nullptr);
    return modules;
  }
  auto network = std::make_shared<SparsePolicy>(policy_->spec(), sparsity, threads);
  ComputeWith(MakeSparseEvaluator(policy_, network, parameters()),
              std::make_unique<NativeTrainer>(policy_, network, parameters(), adam(), exchange(),
                                              kernels::BestKernels()));
  return network;
}

absl::StatusOr<std::unique_ptr<NmSparseBackend>> NmSparseBackend::Create(
    std::shared_ptr<BuiltinPolicy> policy, const AdamOptions& adam, const Sparsity& sparsity,
    int threads, ModuleProducts products) {
  MILLRACE_ASSIGN_OR_RETURN(auto parameters, FlatParameters::Create(policy));
  return std::unique_ptr<NmSparseBackend>(new NmSparseBackend(
      std::move(policy), std::move(parameters), adam, sparsity, threads, products));
}

std::span<const float> NmSparseBackend::OnCpu(const torch::Tensor& tensor) {
  if (tensor.is_cpu()) return FloatsOf(tensor);
  on_cpu_ = tensor.cpu();
  return FloatsOf(on_cpu_);
}

int64_t NmSparseBackend::PatternsKey() const {
  Fnv1a key;
  key.Add(form_.hash());  // of the forward patterns
  for (const std::string& layer : sparsity_.layers) {
    key.Add(std::string_view(layer));
    const sparse::Pattern& backward = sparsity_.patterns.backward;
    for (const int64_t number :
         {backward.kept, backward.group, backward.shared_by, int64_t{backward.tiles}}) {
      key.Add(static_cast<uint64_t>(number));
    }
  }
  return static_cast<int64_t>(key.state());
}

std::span<std::byte> NmSparseBackend::places() {
  return {reinterpret_cast<std::byte*>(places_.data_ptr<uint8_t>()),
          static_cast<size_t>(places_.numel())};
}

void NmSparseBackend::SetProgress(double progress) {
  progress_ = progress;
  network_->SetDecay(sparsity_.DecayAt(progress));
}

void NmSparseBackend::Begin() {
  SetProgress(0);
  adam().FreezeVariance(0);
  network_->SetDense(sparsity_.DenseAt(/*progress=*/0));
  Choose();
}

void NmSparseBackend::Choose() {
  network_->Pack(OnCpu(parameters().trainable()), /*choose=*/true);
  WriteState();
}

bool NmSparseBackend::ClearLeftOut() {
  if (sparsity_.refresh != Refresh::kNever || network_->dense()) return false;
  for (torch::Tensor* tensor : {&parameters().trainable(), &adam().mean()}) {
    const torch::Tensor local = tensor->cpu();  // itself if it is there
    network_->ClearLeftOut(FloatsOf(local));
    tensor->copy_(local);
  }
  return true;
}

void NmSparseBackend::WriteState() {
  if (!network_->dense()) network_->WritePlaces(places());
  int64_t* const schedule = schedule_.data_ptr<int64_t>();
  schedule[kPatterns] = PatternsKey();
  schedule[kDense] = network_->dense() ? 1 : 0;
  schedule[kSinceChoice] = network_->since_choice();
  schedule[kFrozenAt] = adam().frozen_at();
  schedule[kProgress] = std::bit_cast<int64_t>(progress_);
}

absl::Status NmSparseBackend::ReadState() {
  const int64_t* const schedule = schedule_.data_ptr<int64_t>();
  if (schedule[kPatterns] != PatternsKey()) {  // of other patterns
    Begin();
    if (ClearLeftOut()) Choose();
    return absl::OkStatus();
  }
  const auto progress = std::bit_cast<double>(schedule[kProgress]);
  if (!(progress >= 0 && progress <= 1)) {
    return absl::DataLossError("nm_sparse.schedule: no share of a run");
  }
  SetProgress(progress);
  network_->SetDense(schedule[kDense] != 0);
  if (!network_->dense()) MILLRACE_RETURN_IF_ERROR(network_->ReadPlaces(places()));
  network_->set_since_choice(schedule[kSinceChoice]);
  adam().FreezeVariance(schedule[kFrozenAt]);
  ClearLeftOut();
  network_->Pack(OnCpu(parameters().trainable()), /*choose=*/false);
  return absl::OkStatus();
}

absl::StatusOr<HeadOutputs> NmSparseBackend::Evaluate(const TensorDict& minibatch) {
  if (!computes_all()) return DenseBackend::Evaluate(minibatch);
  MILLRACE_ASSIGN_OR_RETURN(HeadOutputs heads, Forward(minibatch));
  for (torch::Tensor* head : {&heads.logits, &heads.mean, &heads.log_std, &heads.value}) {
    if (head->defined()) *head = head->detach();
  }
  return heads;
}

absl::StatusOr<StepReport> NmSparseBackend::Step(const OptimizerStep& step, Collectives& group) {
  MILLRACE_ASSIGN_OR_RETURN(const StepReport report, DenseBackend::Step(step, group));
  if (!report.skipped) network_->TakeStep([&] { return OnCpu(parameters().trainable()); });
  return report;
}

absl::StatusOr<std::map<std::string, double>> NmSparseBackend::EndBatch(const BatchEnd& batch) {
  constexpr int64_t kSampleSteps = 256;
  const bool dense = sparsity_.DenseAt(batch.progress);
  numbers_["dense"] = dense ? 1 : 0;
  SetProgress(batch.progress);
  network_->Pack(OnCpu(parameters().trainable()), /*choose=*/false);
  const bool changes = dense != network_->dense();
  const bool due = network_->EndIteration();
  const std::vector<std::byte> before_places(places().begin(), places().end());
  if (!changes && (dense || !due || network_->place_bytes() == 0)) {
    WriteState();
    if (!dense && sparsity_.refresh == Refresh::kStep) CountFlips(before_places);
    return numbers_;
  }
  const TensorDict sample = batch.sample(kSampleSteps);
  MILLRACE_ASSIGN_OR_RETURN(const HeadOutputs before, Evaluate(sample));
  if (changes && !dense && sparsity_.freeze_variance && adam().frozen_at() == 0) {
    adam().FreezeVariance(static_cast<int64_t>(adam().step().item<float>()));
  }
  network_->SetDense(dense);
  Choose();
  if (ClearLeftOut()) Choose();  // the gradient of the inputs among those that are left
  MILLRACE_ASSIGN_OR_RETURN(const HeadOutputs after, Evaluate(sample));
  numbers_["refresh_kl"] = PolicyDivergence(policy_->spec().action, before, after);
  if (!changes) CountFlips(before_places);
  return numbers_;
}

void NmSparseBackend::CountFlips(std::span<const std::byte> before) {
  const SparseLayer::Counts flips = network_->CountFlips(before, places());
  const SparseLayer::Counts choices = network_->Choices();
  const auto rate = [](int64_t count, int64_t of) {
    return of > 0 ? static_cast<double>(count) / static_cast<double>(of) : 0.0;
  };
  numbers_["sad"] = static_cast<double>(flips.forward);
  numbers_["flip_rate"] = rate(flips.forward, choices.forward);
  numbers_["backward_flip_rate"] = rate(flips.backward, choices.backward);
}

void NmSparseBackend::Publish(std::span<std::byte> blob) {
  const std::span<const float> weights = OnCpu(parameters().weights());
  form_.Write(
      weights, network_->dense(),
      [&](const std::string& layer) -> const sparse::PackedMatrix& {
        if (const sparse::PackedMatrix* packed = network_->MatrixOf(layer)) return *packed;
        const ParameterEntry& entry = *layout().Find(layer + ".weight");
        const auto size = static_cast<size_t>(NumElements(entry.shape));
        form_.PackLayer(weights.subspan(entry.offset, size), layer, others_);
        return others_.At(layer);
      },
      blob);
}

absl::Status NmSparseBackend::LoadWeights(std::span<const std::byte> blob) {
  MILLRACE_RETURN_IF_ERROR(DenseBackend::LoadWeights(blob));
  Begin();
  return absl::OkStatus();
}

absl::Status NmSparseBackend::LoadOptimizerState(
    const std::map<std::string, torch::Tensor>& state) {
  schedule_.zero_();  // of no patterns, unless the checkpoint has one
  const absl::Status status = DenseBackend::LoadOptimizerState(state);
  if (!status.ok()) {
    WriteState();
    return status;
  }
  return ReadState();
}

void NmSparseBackend::Rollback() {
  DenseBackend::Rollback();
  const absl::Status status = ReadState();
  MILLRACE_CHECK(status.ok(), "what WriteState() wrote");
}

absl::Status NmSparseBackend::Synchronize(Collectives& group, int root) {
  absl::Status status = DenseBackend::Synchronize(group, root);
  status.Update(ReadState());
  return status;
}

absl::StatusOr<std::unique_ptr<Backend>> MakeNmSparseBackend(const Options& options,
                                                             std::shared_ptr<Policy> policy) {
  auto builtin = std::dynamic_pointer_cast<BuiltinPolicy>(std::move(policy));
  if (builtin == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("backend ", Sparsity::kBackend, ": expected a built-in model"));
  }
  const AdamOptions adam = ReadAdamOptions(options);
  const auto exchange = GradientExchangeOptions::FromOptions(options);
  MILLRACE_ASSIGN_OR_RETURN(const Sparsity sparsity,
                            Sparsity::FromOptions(options, builtin->spec()));
  MILLRACE_RETURN_IF_ERROR(options.Finish(absl::StrCat("backend ", Sparsity::kBackend)));
  MILLRACE_ASSIGN_OR_RETURN(auto backend, NmSparseBackend::Create(std::move(builtin), adam,
                                                                  sparsity, at::get_num_threads()));
  backend->ConfigureExchange(exchange);
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace millrace
