#include "cli/torch/gpu_sparse_arms.h"

#include <memory>
#include <utility>

#include "backends/nm_sparse/nm_sparse_backend.h"
#include "backends/nm_sparse/semi_structured_matrix.h"
#include "backends/single_rank_collectives.h"
#include "cli/torch/sparse_arms.h"
#include "millrace/core/check.h"

namespace millrace {
namespace {

void WaitFor(torch::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

class BackendStep {
 public:
  BackendStep(int64_t rows, int64_t width, const Sparsity& sparsity, torch::Device device)
      : device_(device), group_(MakeSingleRankCollectives()) {
    const ModelSpec spec = BenchedMlp(width);
    auto policy = std::make_shared<BuiltinPolicy>(spec, /*seed=*/1);
    policy->to(device);
    Sparsity chosen_once = WithHiddenLayers(sparsity);
    chosen_once.refresh = Refresh::kIteration;
    auto backend = NmSparseBackend::Create(std::move(policy), {}, chosen_once, /*threads=*/1,
                                           ModuleProducts::kMasked);
    MILLRACE_CHECK(backend.ok(), "a model and a pattern that there are");
    backend_ = *std::move(backend);
    const Field& field = spec.observation.fields[0];
    minibatch_ = {{"observation/" + field.name, torch::randn({rows, field.shape[0]}, device)}};
  }

  void Run() {
    const auto heads = backend_->Forward(minibatch_);
    MILLRACE_CHECK(heads.ok(), "a minibatch of the model");
    ((heads->logits - 1).square().mean() + (heads->value - 1).square().mean()).backward();
    MILLRACE_CHECK(backend_->Backward(*heads).ok(), "of these heads");
    MILLRACE_CHECK(backend_->Step({.learning_rate = 1e-4}, *group_).ok(), "one rank");
    WaitFor(device_);
  }

 private:
  const torch::Device device_;
  const std::unique_ptr<Collectives> group_;
  std::unique_ptr<NmSparseBackend> backend_;
  TensorDict minibatch_;
};

}  // namespace

std::function<void()> MakeGpuProduct(int64_t rows, int64_t width, const sparse::Pattern& pattern,
                                     torch::Device device) {
  const auto options = torch::dtype(torch::kBFloat16).device(device);
  // The first of every group.
  torch::Tensor weights = torch::randn({width, width / pattern.group, pattern.group}, options);
  weights.narrow(2, pattern.kept, pattern.group - pattern.kept).zero_();
  const auto matrix = std::make_shared<SemiStructuredMatrix>(sparse::ProductChoice::kSparse);
  matrix->Set(weights.view({width, width}));
  const torch::Tensor x = torch::randn({rows, width}, options);
  matrix->Multiply(x);
  if (!matrix->MultipliesSparse(rows)) return nullptr;
  return [=] {
    matrix->Multiply(x);
    WaitFor(device);
  };
}

std::function<void()> MakeGpuStep(int64_t rows, int64_t width, const Sparsity& sparsity,
                                  torch::Device device) {
  const auto step = std::make_shared<BackendStep>(rows, width, sparsity, device);
  return [step] { step->Run(); };
}

}  // namespace millrace
