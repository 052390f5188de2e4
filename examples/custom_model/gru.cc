// A recurrent policy network of your own, for one discrete action: a gated recurrent unit (Cho et
// al. 2014) over the flattened observation, then one linear layer for logits and value.
#include "millrace/core/status.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/torch_registry.h"

class Gru : public millrace::Policy {
 public:
  Gru(const millrace::ObservationSpec& observation, int64_t choices, int64_t size)
      : size_(size), choices_(choices) {
    int64_t features = 0;
    for (const millrace::Field& field : observation.fields) {
      names_.push_back("observation/" + field.name);
      ranks_.push_back(static_cast<int64_t>(field.shape.size()));
      features += millrace::NumElements(field.shape);
    }
    cell_ = register_module("gru", torch::nn::GRUCell(features, size));
    heads_ = register_module("heads", torch::nn::Linear(size, choices + 1));
  }

  int64_t state_size() const override { return size_; }

  // Observations [L, N, ...], first [L, N], state [N, size]: L = 1 when it acts, a chunk when it is
  // trained.
  millrace::HeadOutputs Forward(const millrace::TensorDict& observation, const torch::Tensor& first,
                                const torch::Tensor& state) override {
    std::vector<torch::Tensor> columns, hidden;
    for (size_t i = 0; i < names_.size(); ++i) {
      const torch::Tensor x = observation.at(names_[i]).to(torch::kFloat32);
      columns.push_back(ranks_[i] == 0 ? x.unsqueeze(-1) : x.flatten(-ranks_[i]));
    }
    const torch::Tensor features = torch::cat(columns, -1);
    const torch::Tensor keep = 1 - first.to(torch::kFloat32).unsqueeze(-1);
    torch::Tensor now = state;
    for (int64_t step = 0; step < features.size(0); ++step) {
      hidden.push_back(now = cell_(features[step], now * keep[step]));
    }
    const torch::Tensor out = heads_(torch::stack(hidden));
    millrace::HeadOutputs heads;
    heads.logits = out.narrow(-1, 0, choices_);
    heads.value = out.select(-1, choices_);
    heads.state = now;
    return heads;
  }

 private:
  const int64_t size_, choices_;
  std::vector<std::string> names_;
  std::vector<int64_t> ranks_;
  torch::nn::GRUCell cell_{nullptr};
  torch::nn::Linear heads_{nullptr};
};

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegisterTorch(millrace::TorchRegistry& registry) {
  const auto create = [](const millrace::Options& options,
                         const millrace::ObservationSpec& observation,
                         const millrace::ActionSpec& action,
                         uint64_t seed) -> absl::StatusOr<std::shared_ptr<millrace::Policy>> {
    const int64_t size = options.GetInt("size", 32, 1, 4096);
    MILLRACE_RETURN_IF_ERROR(options.Finish("gru_cell"));
    for (const millrace::Field& field : observation.fields) {
      if (field.name == millrace::kActionMask) {
        return absl::InvalidArgumentError("gru_cell: expected no action mask");
      }
    }
    if (action.num_discrete() != 1 || action.continuous_size() != 0) {
      return absl::InvalidArgumentError("gru_cell: expected one discrete action component");
    }
    torch::manual_seed(seed);
    return std::make_shared<Gru>(observation, action.num_choices(), size);
  };
  registry.AddModel("gru_cell", create, "a GRUCell of LibTorch's");
}
