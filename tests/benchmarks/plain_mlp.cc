// The mlp as a user would write it in LibTorch: none of our kernels know it, so training goes
// through autograd and acting through LibTorch. For `millrace bench dataflow --config
// .../plain_mlp.yaml`.
#include <cmath>
#include <memory>
#include <vector>

#include "millrace/core/status.h"
#include "millrace/models/policy.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/torch_registry.h"

namespace {

namespace nn = torch::nn;

nn::Sequential MakeNet(int64_t in, const std::vector<double>& hidden, int64_t out, double gain) {
  nn::Sequential net;
  const auto linear = [&net](int64_t from, int64_t to, double scale) {
    nn::Linear layer(from, to);
    nn::init::orthogonal_(layer->weight, scale);
    nn::init::zeros_(layer->bias);
    net->push_back(layer);
  };
  for (const double width : hidden) {
    linear(in, static_cast<int64_t>(width), std::sqrt(2.0));
    net->push_back(nn::Tanh());
    in = static_cast<int64_t>(width);
  }
  linear(in, out, gain);
  return net;
}

class PlainMlp : public millrace::Policy {
 public:
  PlainMlp(int64_t features, const std::vector<double>& hidden, int64_t choices)
      : actor_(register_module("actor", MakeNet(features, hidden, choices, 0.01))),
        critic_(register_module("critic", MakeNet(features, hidden, 1, 1))) {}

  millrace::HeadOutputs Forward(const millrace::TensorDict& observation, const torch::Tensor&,
                                const torch::Tensor&) override {
    const torch::Tensor& features = observation.at("observation/observation");
    millrace::HeadOutputs heads;
    heads.logits = actor_->forward(features);
    heads.value = critic_->forward(features).squeeze(-1);
    return heads;
  }

 private:
  nn::Sequential actor_, critic_;
};

}  // namespace

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegisterTorch(millrace::TorchRegistry& registry) {
  const auto create = [](const millrace::Options& options,
                         const millrace::ObservationSpec& observation,
                         const millrace::ActionSpec& action,
                         uint64_t seed) -> absl::StatusOr<std::shared_ptr<millrace::Policy>> {
    const std::vector<double> hidden = options.GetDoubles("hidden", {64, 64});
    MILLRACE_RETURN_IF_ERROR(options.Finish("plain_mlp"));
    torch::manual_seed(seed);
    return std::make_shared<PlainMlp>(observation.fields[0].shape[0], hidden, action.num_choices());
  };
  registry.AddModel("plain_mlp", create, "two plain stacks of linear layers");
}
