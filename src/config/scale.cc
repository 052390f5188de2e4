#include "config/scale.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "config/limits.h"
#include "config/scalar.h"

namespace millrace {
namespace {

constexpr char kMinibatch[] = "minibatch";

// What is no number is left to the algorithm to refuse.
void ScaleMinibatch(int scale, Options& algorithm) {
  if (!algorithm.Has(kMinibatch)) return;
  Options::Value value = algorithm.values().at(kMinibatch);
  if (value.is_list || value.quoted) return;
  const std::optional<int64_t> steps = ParseInt(value.items.front());
  if (!steps.has_value() || *steps <= 0 || *steps > kMaxBatchEnvSteps) return;
  value.items = {absl::StrCat(*steps * scale)};
  algorithm.Set(kMinibatch, std::move(value));
}

}  // namespace

void ApplyScale(int scale, ExperimentConfig& config, Problems& problems) {
  const auto check = [&problems](int64_t value, int64_t most, const char* what) {
    if (value <= most) return;
    problems.Add("workers.scale", absl::StrCat("at most ", most, " ", what), absl::StrCat(value));
  };
  for (int* count : {&config.actor.count, &config.reader.count, &config.policy_worker.count,
                     &config.trainer.count, &config.parameter_server.count}) {
    *count *= scale;
    check(*count, kMaxWorkers, "processes of a role");
  }
  const auto policies = static_cast<int64_t>(config.policies.size());
  check(policies * config.trainer.count, kMaxLanes, "trainers of all policies");
  config.trainer.batch_env_steps *= scale;
  check(config.trainer.batch_env_steps, kMaxBatchEnvSteps, "environment steps of a batch");
  config.sample_stream.capacity =
      static_cast<int>(std::min(kMaxSize, int64_t{config.sample_stream.capacity} * scale));
  ScaleMinibatch(scale, config.algorithm.options);
}

}  // namespace millrace
