#include "config/experiment_checks.h"

#include <algorithm>
#include <regex>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "config/limits.h"
#include "millrace/core/nearest_name.h"

namespace millrace {
namespace {

constexpr size_t kMaxPatternLength = 256;
constexpr int64_t kMaxSegmentsPerLane = 256;  // LaneMark::kWindow of data/ledger.h

void CheckMultiple(const std::string& key, int64_t value, int64_t unit, const std::string& of,
                   Problems& problems) {
  if (value % unit == 0 && value > 0) return;
  problems.Add(key, absl::StrCat("a multiple of ", unit, " (", of, ")"), absl::StrCat(value),
               absl::StrCat("; did you mean \"", NearestMultiple(value, unit), "\"?"));
}

void CheckBatch(const ExperimentConfig& config, Problems& problems) {
  const bool reads = config.reads_dataset();
  if (!reads) {
    if (config.actor.groups == 0) return;  // once the number is known
    CheckMultiple("workers.actor.environments", config.actor.environments, config.actor.groups,
                  "workers.actor.groups", problems);
  }
  const int64_t environments = config.segment_environments();
  if (environments == 0) return;
  const int64_t segment = config.trainer.unroll * environments;
  const std::string what = reads ? absl::StrCat("workers.reader.segment_samples ", environments)
                                 : absl::StrCat("unroll ", config.trainer.unroll, " x ",
                                                environments, " environments of a group");
  const std::string key = absl::StrCat("workers.trainer.", config.batch_key());
  CheckMultiple(key, config.trainer.batch_env_steps, segment * config.trainer.count,
                absl::StrCat(what, " x ", config.trainer.count, " trainers"), problems);
  // What credits allow to be under way; one actor may have to fill it alone if the others are down.
  const int64_t segments = config.trainer.batch_env_steps / segment * config.batches_under_way();
  const std::string batches =
      absl::StrCat("the ", segments, " segments of ", reads ? "batches_ahead" : "max_policy_lag",
                   " + 1 = ", config.batches_under_way(), " batches");
  if (config.sample_stream.capacity < segments) {
    problems.Add("streams.sample.capacity", absl::StrCat("at least ", batches),
                 absl::StrCat(config.sample_stream.capacity));
  }
  if (segments / config.trainer.count > kMaxSegmentsPerLane) {
    problems.Add(key, absl::StrCat("at most ", kMaxSegmentsPerLane, " segments of each trainer"),
                 absl::StrCat(batches, " for ", config.trainer.count, " trainers"),
                 reads ? "; longer segments (workers.reader.segment_samples) make fewer"
                       : "; a longer unroll or more environments in a group make fewer");
  }
}

void CheckObservations(const SampleStreamConfig& stream, Problems& problems) {
  if (stream.observations == "raw" || stream.transport == "zmq") return;
  problems.Add("streams.sample.observations", "raw, as nothing travels through shared memory",
               absl::StrCat("\"", stream.observations, "\""),
               "; with streams.sample.transport: zmq it does");
}

bool Compiles(const std::string& pattern) {
  if (pattern.size() > kMaxPatternLength) return false;
  try {
    const std::regex compiled(pattern);
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}

void CheckPattern(const std::string& key, const std::string& pattern, Problems& problems) {
  if (Compiles(pattern)) return;
  problems.Add(key,
               absl::StrCat("a regular expression of at most ", kMaxPatternLength, " characters"),
               absl::StrCat("\"", pattern, "\""));
}

void CheckLeague(const std::string& key, const LeagueConfig& league, Problems& problems) {
  if (league.every_versions == 0) {
    problems.Add(key + ".every_versions", "an integer of at least 1", "0 or nothing");
  }
  for (size_t i = 0; i < league.teams.size(); ++i) {
    CheckPattern(absl::StrCat(key, ".teams[", i, "]"), league.teams[i], problems);
  }
}

void CheckPolicies(const ExperimentConfig& config, Problems& problems) {
  for (const PolicyConfig& policy : config.policies) {
    const std::string key = absl::StrCat("policies.", policy.name);
    if (!IsValidName(policy.name)) {
      problems.Add(key, kNameRule, absl::StrCat("\"", policy.name, "\""));
    }
    if (policy.league) CheckLeague(key + ".league", *policy.league, problems);
    for (size_t i = 0; i < policy.init_except.size(); ++i) {
      CheckPattern(absl::StrCat(key, ".init_except[", i, "]"), policy.init_except[i], problems);
    }
    if (policy.init_from.empty() && (!policy.init_policy.empty() || !policy.init_except.empty())) {
      problems.Add(key + (policy.init_policy.empty() ? ".init_except" : ".init_policy"),
                   "init_from beside it", "none");
    }
    const size_t at = policy.init_from.rfind('@');
    if (at == std::string::npos) continue;
    const std::string step = policy.init_from.substr(at + 1);
    if (at == 0 || step.empty() || !std::all_of(step.begin(), step.end(), absl::ascii_isdigit)) {
      problems.Add(key + ".init_from", "RUN or RUN@STEP",
                   absl::StrCat("\"", policy.init_from, "\""));
    }
  }
  const int64_t lanes = static_cast<int64_t>(config.policies.size()) * config.trainer.count;
  if (lanes > kMaxLanes) {
    problems.Add("workers.trainer.count",
                 absl::StrCat("policies x trainers to be at most ", kMaxLanes),
                 absl::StrCat(lanes));
  }
}

void CheckAgents(const ExperimentConfig& config, Problems& problems) {
  std::vector<std::string> names;
  for (const PolicyConfig& policy : config.policies) names.push_back(policy.name);
  for (size_t i = 0; i < config.agents.size(); ++i) {
    const AgentMatch& agent = config.agents[i];
    const std::string key = absl::StrCat("agents[", i, "]");
    CheckPattern(key + ".match", agent.match, problems);
    if (std::find(names.begin(), names.end(), agent.policy) == names.end()) {
      problems.Add(key + ".policy", "a policy of this file", absl::StrCat("\"", agent.policy, "\""),
                   DidYouMean(agent.policy, names));
    }
  }
}

// Nobody acts, and samples come once and in order.
void CheckDataset(const ExperimentConfig& config, Problems& problems) {
  const auto expect_one = [&](const char* key, int value) {
    if (value != 1) problems.Add(key, "1 with a dataset", absl::StrCat(value));
  };
  expect_one("workers.trainer.unroll", config.trainer.unroll);
  expect_one("workers.trainer.sample_reuse", config.trainer.sample_reuse);
  if (config.trainer.max_policy_lag != 0) {
    problems.Add("workers.trainer.max_policy_lag", "0 with a dataset, whose readers are ahead",
                 absl::StrCat(config.trainer.max_policy_lag));
  }
  if (config.stop.episode_return) {
    problems.Add("stop.episode_return", "none with a dataset", "one");
  }
  if (config.policies.size() > 1) {
    problems.Add("policies", "one with a dataset", absl::StrCat(config.policies.size()));
  }
  if (config.policies.front().league) {
    problems.Add("policies." + config.policies.front().name + ".league", "none with a dataset",
                 "one");
  }
}

void CheckDevice(const std::string& key, const std::string& device, Problems& problems) {
  static const std::regex kDevices("auto|cpu|cuda:[0-9]{1,3}");
  if (std::regex_match(device, kDevices)) return;
  problems.Add(key, "auto, cpu or cuda:N", absl::StrCat("\"", device, "\""),
               DidYouMean(device, std::vector<std::string>{"auto", "cpu", "cuda:0"}));
}

void CheckTimes(const ExperimentConfig& config, Problems& problems) {
  if (config.supervision.lease_seconds < 2 * config.supervision.heartbeat_seconds) {
    problems.Add("supervision.lease_seconds", "at least twice supervision.heartbeat_seconds",
                 absl::StrCat(config.supervision.lease_seconds));
  }
  const StopConfig& stop = config.stop;
  if (stop.require_goal && !(stop.episode_return && stop.wall_seconds)) {
    problems.Add("stop.require_goal", "stop.episode_return and stop.wall_seconds beside it",
                 "only one of them or none");
  }
}

void CheckDeterministic(const ExperimentConfig& config, Problems& problems) {
  // With a lag the version that answers a request depends on timing, and so does who fills a batch
  // that has no room for every group.
  if (config.trainer.max_policy_lag != 0) {
    problems.Add("workers.trainer.max_policy_lag", "0 in a deterministic run",
                 absl::StrCat(config.trainer.max_policy_lag));
  }
  // The older batches that a train step uses again are in no checkpoint.
  if (config.trainer.sample_reuse != 1) {
    problems.Add("workers.trainer.sample_reuse", "1 in a deterministic run",
                 absl::StrCat(config.trainer.sample_reuse));
  }
  // Versions are counted on after a resume, so other ones would play.
  for (const PolicyConfig& policy : config.policies) {
    if (!policy.league.has_value() || policy.league->share == 0) continue;
    problems.Add(absl::StrCat("policies.", policy.name, ".league.share"),
                 "0 in a deterministic run", absl::StrCat(policy.league->share));
  }
  if (config.actor.groups == 0) {
    problems.Add("workers.actor.groups", "a number in a deterministic run", "auto");
    return;
  }
  if (config.actor.inference == InferenceMode::kTrainer) {
    problems.Add("workers.actor.inference", "remote or inline in a deterministic run", "trainer");
  }
  const int groups = config.actor.count * config.actor.groups;
  if (groups % config.trainer.count != 0) {
    problems.Add(
        "workers.trainer.count",
        absl::StrCat("a divisor of the ", groups, " groups of all actors in a deterministic run"),
        absl::StrCat(config.trainer.count));
  }
  CheckMultiple(
      "workers.trainer.batch_env_steps", config.trainer.batch_env_steps,
      int64_t{config.trainer.unroll} * config.actor.environments * config.actor.count,
      absl::StrCat("in a deterministic run: unroll ", config.trainer.unroll, " x ",
                   config.actor.environments, " environments x ", config.actor.count, " actors"),
      problems);
}

}  // namespace

bool IsValidName(std::string_view name) {
  if (name.empty() || name.size() > 64 || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

int64_t NearestMultiple(int64_t value, int64_t unit) {
  return std::max(unit, (value + unit / 2) / unit * unit);
}

void CheckExperiment(const ExperimentConfig& config, Problems& problems) {
  if (!IsValidName(config.name)) {
    problems.Add("name", kNameRule, absl::StrCat("\"", config.name, "\""));
  }
  CheckBatch(config, problems);
  CheckObservations(config.sample_stream, problems);
  CheckPolicies(config, problems);
  CheckAgents(config, problems);
  CheckDevice("workers.policy.device", config.policy_worker.device, problems);
  CheckDevice("workers.trainer.device", config.trainer.device, problems);
  CheckTimes(config, problems);
  if (config.reads_dataset()) {
    CheckDataset(config, problems);
  } else if (config.deterministic) {
    CheckDeterministic(config, problems);
  }
}

}  // namespace millrace
