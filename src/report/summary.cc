#include "report/summary.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "report/progress.h"
#include "report/replace_file.h"

namespace millrace {
namespace {

using nlohmann::ordered_json;

// The steps of segments that were under way at the goal and given up at the end were never
// produced.
uint64_t StepsToGoal(const RunMetrics& metrics) {
  return std::min(metrics.goal_reached->env_steps, metrics.env_steps);
}

template <typename T>
ordered_json OrNull(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

double Rate(const SummaryInput& input, double seconds) {
  if (seconds <= 0) return 0;
  return static_cast<double>(input.metrics.env_steps - input.env_steps_before) / seconds;
}

double TotalCpuSeconds(const AgentUsage& usage) {
  double total = 0;
  for (const auto& [role, seconds] : usage.cpu_seconds_by_role) total += seconds;
  return total;
}

std::string BottleneckOf(const SummaryInput& input) {
  return Bottleneck(input.metrics.profile, {.seconds = input.train_cpu_seconds,
                                            .waited = input.train_cpu_wait_seconds,
                                            .available = input.usage.cores * input.train_seconds,
                                            .seconds_by_role = input.usage.cpu_seconds_by_role});
}

void AddLearning(ordered_json& json, const SummaryInput& input) {
  const RunMetrics& metrics = input.metrics;
  json["env_steps"] = metrics.env_steps;
  json["agent_steps"] = metrics.agent_steps;
  json["train_steps"] = metrics.train_steps;
  json["episodes"] = metrics.episodes;
  json["policy_version"] = metrics.policy_version;
  const auto& means = metrics.episode_means;
  json["episode_return_mean"] = means ? ordered_json(means->episode_return) : nullptr;
  json["episode_length_mean"] = means ? ordered_json(means->length) : nullptr;
  json["env_steps_to_goal"] = metrics.goal_reached ? ordered_json(StepsToGoal(metrics)) : nullptr;
  json["seconds_to_goal"] = OrNull(input.seconds_to_goal);
  for (const auto& [name, value] : metrics.environment) json[name] = value;
  for (const auto& [name, value] : metrics.training) json[name] = value;
  for (const StageReached& stage : metrics.stages) {
    json["stages"].push_back({{"name", stage.name},
                              {"env_steps", stage.env_steps},
                              {"episodes", stage.episodes},
                              {"elapsed_seconds", stage.elapsed_seconds}});
  }
  json["policy_lag_max"] = metrics.policy_lag_max;
  json["sample_reuse"] = OrNull(metrics.sample_reuse);
}

void AddCosts(ordered_json& json, const SummaryInput& input) {
  const AgentUsage& usage = input.usage;
  json["wall_seconds"] = input.wall_seconds;
  json["elapsed_seconds"] = input.elapsed_seconds;
  json["train_seconds"] = input.train_seconds;
  json["cpu_seconds"] = TotalCpuSeconds(usage);
  json["cpu_seconds_by_role"] = usage.cpu_seconds_by_role;
  json["train_cpu_seconds"] = input.train_cpu_seconds;
  json["steps_per_second"] = Rate(input, input.train_seconds);
  json["steps_per_cpu_second"] = Rate(input, input.train_cpu_seconds);
  json["peak_rss_bytes_by_role"] = usage.peak_rss_bytes_by_role;
  json["cores"] = usage.cores;
  json["cpu_wait_seconds_by_role"] = usage.cpu_wait_seconds_by_role;
  json["lifetime_seconds_by_role"] = usage.lifetime_seconds_by_role;
  json["restarts_by_role"] = usage.restarts_by_role;
  json["pids_by_role"] = usage.pids_by_role;
}

}  // namespace

std::string Name(RunStatus status) {
  switch (status) {
    case RunStatus::kReachedGoal:
      return "reached_goal";
    case RunStatus::kReachedLimit:
      return "reached_limit";
    case RunStatus::kStopped:
      return "stopped";
    case RunStatus::kFailed:
      return "failed";
  }
  return "failed";
}

ordered_json BuildSummary(const SummaryInput& input) {
  ordered_json json = {{"status", Name(input.status)}, {"reason", input.reason}};
  AddLearning(json, input);
  AddCosts(json, input);
  json["streams"] = ToJson(input.accounting);
  json["profile"] = ToJson(input.metrics.profile);
  json["bottleneck"] = BottleneckOf(input);
  json["versions"] = {{"millrace", input.millrace_version},
                      {"libtorch", input.libtorch_version},
                      {"config_hash", input.config_hash},
                      {"seed", input.seed}};
  return json;
}

absl::Status WriteSummary(const std::filesystem::path& file, const SummaryInput& input) {
  return ReplaceFile(file, BuildSummary(input).dump(2) + "\n");
}

std::string DescribeSummary(const SummaryInput& input) {
  const RunMetrics& metrics = input.metrics;
  std::string text = absl::StrCat(Name(input.status), ": ", input.reason, "\n");
  const std::string steps =
      input.dataset ? absl::StrCat(HumanCount(metrics.env_steps), " samples")
                    : absl::StrCat(HumanCount(metrics.env_steps), " environment steps, ",
                                   HumanCount(metrics.episodes), " episodes");
  absl::StrAppendFormat(&text, "  %s, %s train steps in %s\n", steps,
                        HumanCount(metrics.train_steps), HumanSeconds(input.wall_seconds));
  for (const auto& [name, value] : metrics.training) {
    if (input.dataset)
      absl::StrAppendFormat(&text, "  %s of the newest batch: %.4f\n", name, value);
  }
  if (metrics.episode_means) {
    absl::StrAppendFormat(&text, "  mean return of the last 100 episodes: %.2f\n",
                          metrics.episode_means->episode_return);
  }
  if (metrics.goal_reached) {
    absl::StrAppendFormat(&text, "  goal reached after %s environment steps\n",
                          HumanCount(StepsToGoal(metrics)));
  }
  const char* const unit = input.dataset ? "samples" : "steps";
  absl::StrAppendFormat(&text, "  %.0f %s/s, %.0f %s per CPU second\n",
                        Rate(input, input.train_seconds), unit,
                        Rate(input, input.train_cpu_seconds), unit);
  for (const auto& [policy, stream] : input.accounting) {
    absl::StrAppendFormat(
        &text, "  sample/%s: %d segments = %d trained + %d dropped + %d in flight%s\n", policy,
        stream.produced.segments, stream.trained.segments, stream.TotalDropped().segments,
        stream.in_flight.segments, stream.Holds() ? "" : " (DOES NOT ADD UP)");
  }
  for (const auto& [role, profile] : metrics.profile) {
    absl::StrAppendFormat(&text, "  %s x%d: %s\n", role, profile.processes,
                          DescribeShares(profile));
  }
  absl::StrAppend(&text, "  bottleneck: ", BottleneckOf(input), "\n");
  return text;
}

}  // namespace millrace
