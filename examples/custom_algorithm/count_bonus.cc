// Proximal policy optimisation (Schulman et al. 2017) with a count-based exploration bonus, reward
// + beta / sqrt(visits) (Strehl & Littman 2008). The field "visit_count" comes from visit_count.cc.
#include "millrace/core/status.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/torch_registry.h"

using torch::Tensor;

class CountBonus : public millrace::Algorithm {
 public:
  CountBonus(double beta, double learning_rate) : beta_(beta), learning_rate_(learning_rate) {}

  std::vector<std::string> ExtraFields() const override { return {"visit_count"}; }

  millrace::TrainingPlan Plan(double /*progress*/) const override {
    return {.epochs = 4, .minibatch_steps = 256, .learning_rate = learning_rate_};
  }

  // Discounted returns of the rest of the segment, [T, B], bootstrapped with the values that came
  // along. An episode ends where it terminates, and goes on as truncation_value where it was cut.
  absl::Status ComputeTargets(millrace::TensorDict& batch) override {
    const Tensor reward = batch["reward"] + beta_ / batch["visit_count"].sqrt();
    const Tensor truncated = batch["truncated"].to(torch::kBool);
    const Tensor terminated = batch["terminated"].to(torch::kBool);
    Tensor target = torch::empty_like(reward), next = batch["value"][-1];
    for (int64_t t = reward.size(0) - 1; t >= 0; --t) {
      next = torch::where(truncated[t], batch["truncation_value"][t], next);
      target[t] = next = reward[t] + 0.99 * next.masked_fill(terminated[t], 0);
    }
    const Tensor advantage = target - batch["value"].narrow(0, 0, reward.size(0));
    batch["advantage"] = (advantage - advantage.mean()) / (advantage.std() + 1e-8);
    batch["value_target"] = target;
    return absl::OkStatus();
  }

  absl::StatusOr<millrace::LossResult> Loss(const millrace::HeadOutputs& heads,
                                            const millrace::TensorDict& minibatch) override {
    const Tensor present = minibatch.at("present").to(torch::kFloat32);
    const auto mean = [&](const Tensor& x) { return (x * present).sum() / present.sum(); };
    const Tensor action = minibatch.at("action/discrete").to(torch::kLong);
    const Tensor log_prob = torch::log_softmax(heads.logits, -1).gather(-1, action).squeeze(-1);
    const Tensor ratio = (log_prob - minibatch.at("log_prob")).exp();
    const Tensor& advantage = minibatch.at("advantage");
    const Tensor policy = -torch::min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage);
    const Tensor value = (heads.value - minibatch.at("value_target")).square();
    return millrace::LossResult{.loss = mean(policy + 0.25 * value),
                                .metrics = {{"policy", mean(policy).detach()},
                                            {"visits", mean(minibatch.at("visit_count"))}}};
  }

 private:
  const double beta_, learning_rate_;
};

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegisterTorch(millrace::TorchRegistry& registry) {
  const auto create = [](const millrace::Options& options, const millrace::ActionSpec& action)
      -> absl::StatusOr<std::unique_ptr<millrace::Algorithm>> {
    const double beta = options.GetDouble("beta", 0.01, 0, 100);
    const double learning_rate = options.GetDouble("learning_rate", 2.5e-3, 0, 1);
    MILLRACE_RETURN_IF_ERROR(options.Finish("count_bonus"));
    if (action.num_discrete() == 1 && action.continuous_size() == 0) {
      return std::make_unique<CountBonus>(beta, learning_rate);
    }
    return absl::InvalidArgumentError("count_bonus: expected one discrete action component");
  };
  registry.AddAlgorithm("count_bonus", create, "PPO with a count-based exploration bonus");
}
