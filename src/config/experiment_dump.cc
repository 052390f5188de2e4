// The resolved experiment as YAML.
#include <yaml-cpp/yaml.h>

#include <span>
#include <type_traits>

#include "absl/strings/str_format.h"
#include "config/experiment.h"
#include "config/scalar.h"
#include "core/crc32c.h"

namespace millrace {
namespace {

// Quoted, so that it reads back as this string whatever is in it.
void Put(YAML::Emitter& out, const char* key, const std::string& text) {
  out << YAML::Key << key << YAML::Value << YAML::DoubleQuoted << text;
}
void Put(YAML::Emitter& out, const char* key, const char* text) = delete;
void Put(YAML::Emitter& out, const char* key, bool value) {
  out << YAML::Key << key << YAML::Value << (value ? "true" : "false");
}
void Put(YAML::Emitter& out, const char* key, double value) {
  out << YAML::Key << key << YAML::Value << FormatDouble(value);
}
template <typename Integer>
requires std::is_integral_v<Integer>
void Put(YAML::Emitter& out, const char* key, Integer value) {
  out << YAML::Key << key << YAML::Value << value;
}

// Runs `body` between the braces of a map.
template <typename Body>
void PutMap(YAML::Emitter& out, const std::string& key, Body body) {
  out << YAML::Key << key << YAML::Value << YAML::BeginMap;
  body();
  out << YAML::EndMap;
}

// A list of maps; `body` fills that of an item.
template <typename Item, typename Body>
void PutMaps(YAML::Emitter& out, const char* key, const std::vector<Item>& items, Body body) {
  out << YAML::Key << key << YAML::Value << YAML::BeginSeq;
  for (const Item& item : items) {
    out << YAML::BeginMap;
    body(item);
    out << YAML::EndMap;
  }
  out << YAML::EndSeq;
}

void PutItem(YAML::Emitter& out, const std::string& item, bool quoted) {
  if (quoted) out << YAML::DoubleQuoted;
  out << item;
}

void PutItems(YAML::Emitter& out, std::span<const std::string> items, bool quoted) {
  out << YAML::Flow << YAML::BeginSeq;
  for (const std::string& item : items) PutItem(out, item, quoted);
  out << YAML::EndSeq;
}

void PutValue(YAML::Emitter& out, const Options::Value& value) {
  if (!value.is_list) return PutItem(out, value.items.front(), value.quoted);
  std::span<const std::string> rest(value.items);
  if (value.lengths.empty()) return PutItems(out, rest, value.quoted);
  out << YAML::Flow << YAML::BeginSeq;
  for (const size_t length : value.lengths) {
    PutItems(out, rest.first(length), value.quoted);
    rest = rest.subspan(length);
  }
  out << YAML::EndSeq;
}

void PutTyped(YAML::Emitter& out, const std::string& key, const TypedOptions& typed) {
  PutMap(out, key, [&] {
    Put(out, "type", typed.type);
    for (const auto& [name, value] : typed.options.values()) {
      out << YAML::Key << name << YAML::Value;
      PutValue(out, value);
    }
  });
}

void PutStop(YAML::Emitter& out, const ExperimentConfig& config) {
  const StopConfig& stop = config.stop;
  PutMap(out, "stop", [&] {
    if (stop.env_steps) Put(out, config.steps_key(), *stop.env_steps);
    if (stop.episode_return) Put(out, "episode_return", *stop.episode_return);
    if (stop.wall_seconds) Put(out, "wall_seconds", *stop.wall_seconds);
    Put(out, "require_goal", stop.require_goal);
  });
}

void PutLeague(YAML::Emitter& out, const LeagueConfig& league) {
  PutMap(out, "league", [&] {
    Put(out, "every_versions", league.every_versions);
    Put(out, "opponents", league.opponents);
    Put(out, "share", league.share);
    out << YAML::Key << "teams" << YAML::Value;
    PutItems(out, league.teams, /*quoted=*/true);
  });
}

void PutPolicies(YAML::Emitter& out, const ExperimentConfig& config) {
  PutMap(out, "policies", [&] {
    for (const PolicyConfig& policy : config.policies) {
      PutMap(out, policy.name, [&] {
        PutTyped(out, "model", policy.model);
        if (!policy.init_from.empty()) Put(out, "init_from", policy.init_from);
        if (!policy.init_policy.empty()) Put(out, "init_policy", policy.init_policy);
        if (!policy.init_except.empty()) {
          out << YAML::Key << "init_except" << YAML::Value;
          PutItems(out, policy.init_except, /*quoted=*/true);
        }
        if (policy.league) PutLeague(out, *policy.league);
      });
    }
  });
  if (config.reads_dataset()) return;
  PutMaps(out, "agents", config.agents, [&](const AgentMatch& agent) {
    Put(out, "match", agent.match);
    Put(out, "policy", agent.policy);
  });
}

std::string Name(InferenceMode mode) {
  switch (mode) {
    case InferenceMode::kRemote:
      return "remote";
    case InferenceMode::kInline:
      return "inline";
    case InferenceMode::kTrainer:
      return "trainer";
  }
  return "";
}

void PutActing(YAML::Emitter& out, const ExperimentConfig& config) {
  PutMap(out, "actor", [&] {
    Put(out, "count", config.actor.count);
    Put(out, "environments", config.actor.environments);
    if (config.actor.groups == 0) {
      Put(out, "groups", std::string("auto"));
    } else {
      Put(out, "groups", config.actor.groups);
    }
    Put(out, "inference", Name(config.actor.inference));
  });
  PutMap(out, "policy", [&] {
    Put(out, "count", config.policy_worker.count);
    Put(out, "max_batch", config.policy_worker.max_batch);
    Put(out, "max_delay_us", config.policy_worker.max_delay_us);
    Put(out, "device", config.policy_worker.device);
  });
}

void PutWorkers(YAML::Emitter& out, const ExperimentConfig& config) {
  PutMap(out, "workers", [&] {
    if (config.reads_dataset()) {
      PutMap(out, "reader", [&] {
        Put(out, "count", config.reader.count);
        Put(out, "segment_samples", config.reader.segment_samples);
        Put(out, "batches_ahead", config.reader.batches_ahead);
      });
    } else {
      PutActing(out, config);
    }
    PutMap(out, "trainer", [&] {
      Put(out, "count", config.trainer.count);
      Put(out, config.batch_key(), config.trainer.batch_env_steps);
      Put(out, "unroll", config.trainer.unroll);
      Put(out, "max_policy_lag", config.trainer.max_policy_lag);
      Put(out, "sample_reuse", config.trainer.sample_reuse);
      Put(out, "threads", config.trainer.threads);
      Put(out, "device", config.trainer.device);
    });
    if (!config.reads_dataset()) {
      PutMap(out, "parameter_server", [&] { Put(out, "count", config.parameter_server.count); });
    }
    Put(out, "spin_us", config.spin_us);
  });
}

void PutStreams(YAML::Emitter& out, const ExperimentConfig& config) {
  PutMap(out, "streams", [&] {
    PutMap(out, "inference", [&] { Put(out, "transport", config.inference_stream.transport); });
    PutMap(out, "sample", [&] {
      Put(out, "transport", config.sample_stream.transport);
      Put(out, "capacity", config.sample_stream.capacity);
      Put(out, "when_full", std::string("wait"));
      Put(out, "checksum", config.sample_stream.checksum);
      Put(out, "observations", config.sample_stream.observations);
      Put(out, "observation_error", config.sample_stream.observation_error);
    });
    PutMap(out, "weight", [&] {
      Put(out, "transport", config.weight_stream.transport);
      Put(out, "checksum", config.weight_stream.checksum);
    });
  });
}

void PutHardware(YAML::Emitter& out, const HardwareConfig& hardware) {
  PutMap(out, "hardware", [&] {
    Put(out, "hosts", hardware.hosts);
    PutMaps(out, "memory", hardware.memory, [&](const MemoryConfig& memory) {
      Put(out, "name", memory.name);
      Put(out, "gigabytes", memory.gigabytes);
      Put(out, "gigabytes_per_second", memory.gigabytes_per_second);
    });
    Put(out, "host_gigabytes_per_second", hardware.host_gigabytes_per_second);
    Put(out, "network_gigabytes_per_second", hardware.network_gigabytes_per_second);
    Put(out, "latency_us", hardware.latency_us);
    Put(out, "teraflops", hardware.teraflops);
  });
}

void PutUpkeep(YAML::Emitter& out, const ExperimentConfig& config) {
  PutMap(out, "checkpoint", [&] {
    Put(out, "every_seconds", config.checkpoint.every_seconds);
    Put(out, "keep", config.checkpoint.keep);
  });
  PutMap(out, "supervision", [&] {
    Put(out, "heartbeat_seconds", config.supervision.heartbeat_seconds);
    Put(out, "lease_seconds", config.supervision.lease_seconds);
    Put(out, "orphan_grace_seconds", config.supervision.orphan_grace_seconds);
    Put(out, "restart_delay_seconds", config.supervision.restart_delay_seconds);
    Put(out, "max_restarts_per_minute", config.supervision.max_restarts_per_minute);
    Put(out, "drain_seconds", config.supervision.drain_seconds);
  });
  PutMap(out, "cluster", [&] {
    Put(out, "engine", config.cluster.engine);
    Put(out, "controller_port", config.cluster.controller_port);
  });
  if (config.hardware.hosts > 0) PutHardware(out, config.hardware);
  out << YAML::Key << "plugins" << YAML::Value << YAML::Flow << YAML::BeginSeq;
  for (const std::string& plugin : config.plugins) PutItem(out, plugin, true);
  out << YAML::EndSeq;
}

void PutThresholds(YAML::Emitter& out, const std::string& key,
                   const std::map<std::string, double>& thresholds) {
  if (thresholds.empty()) return;
  PutMap(out, key, [&] {
    for (const auto& [statistic, value] : thresholds) Put(out, statistic.c_str(), value);
  });
}

void PutReport(YAML::Emitter& out, const ReportConfig& report) {
  PutMap(out, "report", [&] {
    out << YAML::Key << "statistics" << YAML::Value;
    PutItems(out, report.statistics, /*quoted=*/true);
    Put(out, "stage_episodes", report.stage_episodes);
    PutMaps(out, "stages", report.stages, [&](const StageConfig& stage) {
      Put(out, "name", stage.name);
      PutThresholds(out, "above", stage.above);
      PutThresholds(out, "below", stage.below);
    });
  });
}

}  // namespace

std::string DumpExperiment(const ExperimentConfig& config) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  Put(out, "version", config.version);
  Put(out, "name", config.name);
  Put(out, "seed", config.seed);
  Put(out, "deterministic", config.deterministic);
  PutStop(out, config);
  if (config.reads_dataset()) {
    PutTyped(out, "dataset", config.dataset);
  } else {
    PutTyped(out, "environment", config.environment);
  }
  PutPolicies(out, config);
  PutTyped(out, "algorithm", config.algorithm);
  PutTyped(out, "backend", config.backend);
  PutWorkers(out, config);
  PutStreams(out, config);
  PutUpkeep(out, config);
  PutReport(out, config.report);
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

std::string ConfigHash(const ExperimentConfig& config) {
  ExperimentConfig unnamed = config;  // two runs of one file differ in their names
  unnamed.name.clear();
  const std::string text = DumpExperiment(unnamed);
  return absl::StrFormat("%08x", Crc32c(std::as_bytes(std::span(text))));
}

}  // namespace millrace
