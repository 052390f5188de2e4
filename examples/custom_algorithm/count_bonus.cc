// Advantage actor-critic with a count-based exploration bonus, reward + beta / sqrt(visits)
// (Strehl & Littman 2008, MBIE-EB), for one discrete action. The field "visit_count" comes from
// visit_count.cc.
#include "millrace/core/status.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/torch_registry.h"

namespace {

class CountBonus : public millrace::Algorithm {
 public:
  static absl::StatusOr<std::unique_ptr<millrace::Algorithm>> Create(
      const millrace::Options& options, const millrace::ActionSpec& action) {
    auto algorithm = std::make_unique<CountBonus>();
    algorithm->beta_ = options.GetDouble("beta", 0.01, 0, 100);
    algorithm->gamma_ = options.GetDouble("gamma", 0.99, 0, 1);
    algorithm->entropy_ = options.GetDouble("entropy_coefficient", 0.01, 0, 10);
    algorithm->learning_rate_ = options.GetDouble("learning_rate", 1e-3, 0, 1);
    MILLRACE_RETURN_IF_ERROR(options.Finish("count_bonus"));
    if (action.num_discrete() != 1 || action.continuous_size() != 0) {
      return absl::InvalidArgumentError("count_bonus: expected one discrete action component");
    }
    return algorithm;
  }

  std::vector<std::string> ExtraFields() const override { return {"visit_count"}; }

  millrace::TrainingPlan Plan(double /*progress*/) const override {
    return {.unit = millrace::TrainingPlan::Unit::kSteps, .learning_rate = learning_rate_};
  }

  // Discounted returns of the rest of the segment, [T, B], bootstrapped with the values that came
  // along. An episode ends where it terminates, and goes on as truncation_value where it was cut.
  absl::Status ComputeTargets(millrace::TensorDict& batch) override {
    const torch::Tensor reward = batch["reward"] + beta_ / batch["visit_count"].sqrt();
    const torch::Tensor terminated = batch["terminated"].to(torch::kBool);
    const torch::Tensor truncated = batch["truncated"].to(torch::kBool);
    torch::Tensor target = torch::empty_like(reward);
    torch::Tensor next = batch["value"][-1];
    for (int64_t t = reward.size(0) - 1; t >= 0; --t) {
      next = torch::where(truncated[t], batch["truncation_value"][t], next);
      next = reward[t] + gamma_ * next.masked_fill(terminated[t], 0);
      target[t] = next;
    }
    batch["value_target"] = target;
    batch["advantage"] = target - batch["value"].slice(0, 0, reward.size(0));
    batch["bonus"] = reward - batch["reward"];
    return absl::OkStatus();
  }

  absl::StatusOr<millrace::LossResult> Loss(const millrace::HeadOutputs& heads,
                                            const millrace::TensorDict& minibatch) override {
    const torch::Tensor present = minibatch.at("present").to(torch::kFloat32);
    const torch::Tensor action = minibatch.at("action/discrete").to(torch::kLong);
    const torch::Tensor log_probs = torch::log_softmax(heads.logits, -1);
    const torch::Tensor log_prob = log_probs.gather(-1, action).squeeze(-1);
    const torch::Tensor entropy = -(log_probs.exp() * log_probs).sum(-1);
    const torch::Tensor error = heads.value - minibatch.at("value_target");
    const torch::Tensor per_step =
        -log_prob * minibatch.at("advantage") + 0.5 * error.square() - entropy_ * entropy;
    const torch::Tensor steps = present.sum().clamp_min(1);
    auto mean = [&](const torch::Tensor& x) { return (x * present).sum() / steps; };
    return millrace::LossResult{
        .loss = mean(per_step),
        .metrics = {{"entropy", mean(entropy).detach()}, {"bonus", mean(minibatch.at("bonus"))}}};
  }

 private:
  double beta_ = 0, gamma_ = 0, entropy_ = 0, learning_rate_ = 0;
};

}  // namespace

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegisterTorch(millrace::TorchRegistry& registry) {
  registry.AddAlgorithm("count_bonus", CountBonus::Create,
                        "actor-critic with a count-based exploration bonus");
}
