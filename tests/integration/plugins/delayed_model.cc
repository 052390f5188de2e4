// A model whose forward passes take as long as asked.
#include <chrono>
#include <memory>
#include <thread>

#include "millrace/core/status.h"
#include "millrace/models/policy.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/torch_registry.h"

namespace {

class Delayed : public millrace::Policy {
 public:
  Delayed(std::chrono::microseconds inference, std::chrono::microseconds training)
      : inference_(inference), training_(training) {
    weight_ = register_parameter("weight", torch::zeros({3, 1}));
  }

  millrace::HeadOutputs Forward(const millrace::TensorDict& observation, const torch::Tensor&,
                                const torch::Tensor&) override {
    std::this_thread::sleep_for(c10::InferenceMode::is_enabled() ? inference_ : training_);
    const torch::Tensor out = torch::matmul(observation.at("observation/position"), weight_.t());
    millrace::HeadOutputs heads;
    heads.logits = out.narrow(-1, 0, 2);
    heads.value = out.select(-1, 2);
    return heads;
  }

 private:
  const std::chrono::microseconds inference_, training_;
  torch::Tensor weight_;
};

}  // namespace

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegisterTorch(millrace::TorchRegistry& registry) {
  const auto create = [](const millrace::Options& options, const millrace::ObservationSpec&,
                         const millrace::ActionSpec&,
                         uint64_t) -> absl::StatusOr<std::shared_ptr<millrace::Policy>> {
    const std::chrono::microseconds inference(options.GetInt("inference_us", 0, 0, 1'000'000));
    const std::chrono::microseconds training(options.GetInt("training_us", 0, 0, 1'000'000));
    MILLRACE_RETURN_IF_ERROR(options.Finish("delayed"));
    return std::make_shared<Delayed>(inference, training);
  };
  registry.AddModel("delayed", create, "forward passes that take a given time");
}
