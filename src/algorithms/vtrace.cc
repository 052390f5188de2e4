#include "algorithms/vtrace.h"

#include "algorithms/action_distribution.h"
#include "algorithms/learning_rate.h"
#include "algorithms/trajectory_tensors.h"
#include "algorithms/vtrace_targets.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr double kLarge = 1e6;

struct VtraceSettings {
  VtraceParameters parameters;
  TrainingPlan plan;
  LearningRate learning_rate;
  double value_coefficient = 0.5;
  double entropy_coefficient = 0.01;
};

absl::StatusOr<VtraceSettings> ReadSettings(const Options& options) {
  const auto number = [&](const char* key, double fallback, double low, double high) {
    return static_cast<float>(options.GetDouble(key, fallback, low, high));
  };
  VtraceSettings settings;
  settings.parameters.gamma = number("gamma", 0.99, 0, 1);
  settings.parameters.lambda = number("lambda", 1, 0, 1);
  settings.parameters.rho_clip = number("rho_clip", 1, 0, kLarge);
  settings.parameters.c_clip = number("c_clip", 1, 0, kLarge);
  settings.value_coefficient = options.GetDouble("value_coefficient", 0.5, 0, kLarge);
  settings.entropy_coefficient = options.GetDouble("entropy_coefficient", 0.01, 0, kLarge);
  settings.plan.unit = TrainingPlan::Unit::kSequences;
  settings.plan.epochs = static_cast<int>(options.GetInt("epochs", 1, 1, 1000));
  settings.plan.minibatch_steps = options.GetInt("minibatch", 0, 0, int64_t{1} << 40);
  settings.plan.max_gradient_norm = options.GetDouble("max_gradient_norm", 40, 0, kLarge);
  settings.plan.adam_epsilon = options.GetDouble("adam_epsilon", 1e-5, 0, 1);
  settings.learning_rate = ReadLearningRate(options, 6e-4);
  MILLRACE_RETURN_IF_ERROR(options.Finish("algorithm vtrace"));
  return settings;
}

// The first T rows of [T+1, ...]: the last one only bootstraps.
HeadOutputs WithoutBootstrap(const HeadOutputs& heads, int64_t steps) {
  const auto cut = [steps](const torch::Tensor& tensor) {
    return tensor.defined() ? tensor.narrow(0, 0, steps) : tensor;
  };
  return {cut(heads.logits), cut(heads.mean), heads.log_std, cut(heads.value)};
}

class Vtrace : public Algorithm {
 public:
  Vtrace(const VtraceSettings& settings, const ActionSpec& action)
      : settings_(settings), action_(action) {}

  TrainingPlan Plan(double progress) const override {
    TrainingPlan plan = settings_.plan;
    plan.learning_rate = settings_.learning_rate.At(progress);
    plan.may_stop_epochs = false;
    return plan;
  }

  absl::Status ComputeTargets(TensorDict& /*batch*/) override { return absl::OkStatus(); }
  std::string ValueTargetKey() const override { return ""; }

  absl::StatusOr<LossResult> Loss(const HeadOutputs& heads, const TensorDict& minibatch) override {
    const int64_t steps = heads.value.size(0) - 1;
    const HeadOutputs acted = WithoutBootstrap(heads, steps);
    const ActionTerms terms = EvaluateActions(action_, acted, minibatch);
    const torch::Tensor log_ratio = (terms.log_prob - minibatch.at("log_prob")).detach();
    MILLRACE_ASSIGN_OR_RETURN(const Targets targets, TargetsOf(heads.value, log_ratio, minibatch));

    const torch::Tensor present =
        minibatch.at("present").narrow(0, 0, steps).to(acted.value.scalar_type());
    const torch::Tensor weight = present / present.sum().clamp_min(1);
    const torch::Tensor policy = -(terms.log_prob * targets.advantage * weight).sum();
    const torch::Tensor value = 0.5 * ((acted.value - targets.value).square() * weight).sum();
    const torch::Tensor entropy = (terms.entropy * weight).sum();

    LossResult result;
    result.loss =
        policy + settings_.value_coefficient * value - settings_.entropy_coefficient * entropy;
    result.metrics = {{"policy", policy.detach()},
                      {"value", value.detach()},
                      {"entropy", entropy.detach()},
                      {"ratio", (log_ratio.exp() * weight).sum()}};
    return result;
  }

 private:
  struct Targets {
    torch::Tensor value, advantage;  // [T, N]
  };

  absl::StatusOr<Targets> TargetsOf(const torch::Tensor& values, const torch::Tensor& log_ratio,
                                    const TensorDict& minibatch) const {
    const torch::NoGradGuard no_gradient;
    MILLRACE_ASSIGN_OR_RETURN(const auto trajectory, TrajectoryTensors::Create(minibatch, values));
    const TrajectoryView& view = trajectory.view();
    const torch::Tensor ratios = log_ratio.to(torch::kFloat32).cpu().contiguous();
    const Targets targets{torch::empty({view.steps, view.rows}),
                          torch::empty({view.steps, view.rows})};
    VtraceTargets(view, FloatSpan(ratios), settings_.parameters, FloatSpan(targets.value),
                  FloatSpan(targets.advantage));
    return Targets{targets.value.to(values.device()), targets.advantage.to(values.device())};
  }

  const VtraceSettings settings_;
  const ActionSpec action_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Algorithm>> MakeVtrace(const Options& options,
                                                      const ActionSpec& action) {
  MILLRACE_ASSIGN_OR_RETURN(const VtraceSettings settings, ReadSettings(options));
  return std::make_unique<Vtrace>(settings, action);
}

}  // namespace millrace
