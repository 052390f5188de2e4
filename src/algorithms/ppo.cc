#include "algorithms/ppo.h"

#include <algorithm>
#include <array>

#include "algorithms/gae.h"
#include "algorithms/learning_rate.h"
#include "algorithms/ppo_loss.h"
#include "algorithms/trajectory_tensors.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr double kLarge = 1e6;

struct PpoSettings {
  GaeParameters gae;
  PpoCoefficients coefficients;
  TrainingPlan plan;
  LearningRate learning_rate;
  bool normalize_advantage = true;
  double target_kl = 0;
};

absl::StatusOr<PpoSettings> ReadSettings(const Options& options) {
  const auto number = [&](const char* key, double fallback, double low, double high) {
    return static_cast<float>(options.GetDouble(key, fallback, low, high));
  };
  PpoSettings settings;
  settings.gae.gamma = number("gamma", 0.99, 0, 1);
  settings.gae.lambda = number("gae_lambda", 0.95, 0, 1);
  settings.coefficients.clip = number("clip", 0.2, 0, kLarge);
  settings.coefficients.value_clip = number("value_clip", 0, 0, kLarge);
  settings.coefficients.value_coefficient = number("value_coefficient", 0.5, 0, kLarge);
  settings.coefficients.entropy_coefficient = number("entropy_coefficient", 0, 0, kLarge);
  settings.plan.epochs = static_cast<int>(options.GetInt("epochs", 4, 1, 1000));
  settings.plan.minibatch_steps = options.GetInt("minibatch", 1024, 0, int64_t{1} << 40);
  settings.plan.chunk = static_cast<int>(options.GetInt("chunk", 16, 1, 1 << 20));
  settings.plan.max_gradient_norm = options.GetDouble("max_gradient_norm", 0.5, 0, kLarge);
  settings.plan.adam_epsilon = options.GetDouble("adam_epsilon", 1e-5, 0, 1);
  settings.normalize_advantage = options.GetBool("normalize_advantage", true);
  settings.target_kl = options.GetDouble("target_kl", 0, 0, kLarge);
  settings.learning_rate = ReadLearningRate(options, 3e-4);
  MILLRACE_RETURN_IF_ERROR(options.Finish("algorithm ppo"));
  return settings;
}

// To mean 0 and deviation 1 over the present steps, in place.
void Normalize(torch::Tensor& advantage, const torch::Tensor& present) {
  const torch::Tensor weight = present.to(torch::kFloat32);
  const torch::Tensor count = weight.sum().clamp_min(1);
  const torch::Tensor mean = (advantage * weight).sum() / count;
  const torch::Tensor variance = ((advantage - mean).square() * weight).sum() / count;
  advantage.sub_(mean).div_(variance.sqrt() + 1e-8);
}

// The same kernel as FusedPpoLoss, without tensors.
class PpoRowLoss : public RowLoss {
 public:
  PpoRowLoss(const PpoSettings& settings, const ActionSpec& action)
      : coefficients_(settings.coefficients), target_kl_(settings.target_kl), action_(action) {}

  const std::vector<std::string>& fields() const override { return fields_; }
  const std::vector<std::string>& metrics() const override { return metrics_; }

  bool Evaluate(const HeadRows& heads, std::span<const TensorView> batch,
                const HeadRowGradients& gradients, std::span<double> metrics) const override {
    const auto floats = [&](size_t field) {
      return reinterpret_cast<const float*>(batch[field].data);
    };
    const PpoRows rows{.heads = heads,
                       .discrete = reinterpret_cast<const int32_t*>(batch[0].data),
                       .continuous = floats(1),
                       .old_log_prob = floats(2),
                       .old_value = floats(3),
                       .advantage = floats(4),
                       .value_target = floats(5),
                       .present = reinterpret_cast<const uint8_t*>(batch[6].data)};
    const PpoMeans means = PpoLossAndGradients(action_, rows, coefficients_, gradients);
    const std::array<double, 5> values = {means.policy_loss, means.value_loss, means.entropy,
                                          means.approx_kl, means.clip_fraction};
    std::ranges::copy(values, metrics.begin());
    return target_kl_ > 0 && means.approx_kl > target_kl_;
  }

 private:
  const PpoCoefficients coefficients_;
  const double target_kl_;
  const ActionSpec action_;
  const std::vector<std::string> fields_ = {kDiscreteAction, kContinuousAction, "log_prob", "value",
                                            "advantage",     "value_target",    "present"};
  const std::vector<std::string> metrics_ = {"policy", "value", "entropy", "approx_kl",
                                             "clip_fraction"};
};

class Ppo : public Algorithm {
 public:
  Ppo(const PpoSettings& settings, const ActionSpec& action)
      : settings_(settings), action_(action), row_loss_(settings, action) {}

  const RowLoss* row_loss() const override { return &row_loss_; }

  TrainingPlan Plan(double progress) const override {
    TrainingPlan plan = settings_.plan;
    plan.learning_rate = settings_.learning_rate.At(progress);
    plan.may_stop_epochs = settings_.target_kl > 0;
    return plan;
  }

  absl::Status ComputeTargets(TensorDict& batch) override {
    const torch::NoGradGuard no_gradient;
    MILLRACE_ASSIGN_OR_RETURN(const auto trajectory,
                              TrajectoryTensors::Create(batch, batch.at("value")));
    const TrajectoryView& view = trajectory.view();
    torch::Tensor advantage = torch::empty({view.steps, view.rows});
    const torch::Tensor target = torch::empty_like(advantage);
    GeneralizedAdvantages(view, settings_.gae, FloatSpan(advantage), FloatSpan(target));
    if (settings_.normalize_advantage) {
      Normalize(advantage, batch.at("present").narrow(0, 0, view.steps));
    }
    batch["advantage"] = advantage;
    batch["value_target"] = target;
    return absl::OkStatus();
  }

  absl::StatusOr<LossResult> Loss(const HeadOutputs& heads, const TensorDict& minibatch) override {
    const bool fused = heads.value.is_cpu() && heads.value.scalar_type() == torch::kFloat32;
    LossResult result = (fused ? FusedPpoLoss : ReferencePpoLoss)(action_, heads, minibatch,
                                                                  settings_.coefficients);
    result.stop_epochs = settings_.target_kl > 0 &&
                         result.metrics.at("approx_kl").item<double>() > settings_.target_kl;
    return result;
  }

 private:
  const PpoSettings settings_;
  const ActionSpec action_;
  const PpoRowLoss row_loss_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Algorithm>> MakePpo(const Options& options,
                                                   const ActionSpec& action) {
  MILLRACE_ASSIGN_OR_RETURN(const PpoSettings settings, ReadSettings(options));
  return std::make_unique<Ppo>(settings, action);
}

}  // namespace millrace
