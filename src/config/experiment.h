// The experiment file (YAML) as checked values. docs/configuration.md lists every key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/config/options.h"

namespace millrace {

struct StopConfig {
  std::optional<uint64_t> env_steps;
  std::optional<double> episode_return;  // mean of the last 100 training episodes
  std::optional<double> wall_seconds;
  bool require_goal = false;  // wall_seconds without the goal: exit code 124
};

// A section with a `type:` and free options (environment, algorithm, backend, model).
struct TypedOptions {
  std::string type;
  Options options;    // without "type"
  std::string where;  // "file.yaml:5" of the type, for messages
};

// Past versions of a policy, which are kept and play against it.
struct LeagueConfig {
  uint64_t every_versions = 0;  // one of so many published versions is kept
  int opponents = 8;            // the newest so many play; at most kMaxOpponents
  double share = 0.2;           // of the episodes: a team is played by one of them
  // Regular expressions over agent names, the first that matches counts; none: one team of all
  // agents of the policy.
  std::vector<std::string> teams = {};
};

struct PolicyConfig {
  std::string name;
  TypedOptions model{.type = "mlp", .options = {}, .where = {}};
  std::string init_from = {};                 // RUN[@STEP]; see cli/millrace/check_experiment.h
  std::string init_policy = {};               // of that run; empty: of this name, or its only one
  std::vector<std::string> init_except = {};  // regular expressions: tensors that begin anew
  std::optional<LeagueConfig> league = {};
  // The experiment's: a policy acts on what its backend publishes.
  TypedOptions backend{.type = "auto", .options = {}, .where = {}};
};

struct AgentMatch {
  std::string match = ".*";  // regular expression over agent names; the first match wins
  std::string policy;
};

enum class InferenceMode { kRemote, kInline, kTrainer };

struct ActorConfig {
  int count = 2;
  int environments = 32;  // per actor process, split evenly over the groups
  int groups = 2;         // 0: `auto`, until the launcher has chosen (cli/millrace/choose_groups.h)
  InferenceMode inference = InferenceMode::kRemote;
};
// Of a dataset, where actors would simulate.
struct ReaderConfig {
  int count = 1;
  int segment_samples = 1024;
  int batches_ahead = 4;  // of the one that is trained
};
struct PolicyWorkerConfig {
  int count = 1;
  int max_batch = 256;          // rows
  int max_delay_us = 0;         // 0: serve what is there
  std::string device = "auto";  // auto | cpu | cuda:N
};
struct TrainerConfig {
  int count = 1;                   // ranks per policy
  int64_t batch_env_steps = 2048;  // over all ranks; of a dataset: samples, by default 8192
  int unroll = 32;
  int max_policy_lag = 0;
  int sample_reuse = 1;         // train steps that each batch takes part in
  int threads = 1;              // intra-op
  std::string device = "auto";  // auto | cpu | cuda:N
};
struct ParameterServerConfig {
  int count = 1;
};
struct InferenceStreamConfig {
  std::string transport = "auto";  // auto | shm | zmq
};
struct SampleStreamConfig {
  std::string transport = "auto";    // auto | shm | zmq
  int capacity = 1024;               // segments, per policy
  bool checksum = false;             // over shared memory too; sockets always have one
  std::string observations = "raw";  // raw | bfloat16 | bounded, over sockets
  double observation_error = 1e-3;   // of bounded: of a feature's deviation in a segment
};
struct WeightStreamConfig {
  std::string transport = "auto";  // auto | shm | grpc
  bool checksum = false;           // over shared memory too; gRPC always has one
};
struct CheckpointConfig {
  double every_seconds = 60;
  int keep = 3;
};
struct SupervisionConfig {
  double heartbeat_seconds = 0.5;
  double lease_seconds = 6;
  double orphan_grace_seconds = 15;    // workers without a controller exit after this
  double restart_delay_seconds = 0.2;  // doubles up to 5 s
  int max_restarts_per_minute = 10;    // per worker; more is a crash loop: the run fails
  double drain_seconds = 4;            // at the end; workers that take longer are killed
};

struct ClusterConfig {
  std::string engine = "local";
  int controller_port = 0;  // 0: any free one
};

// What `millrace plan` plans for. Bytes a second are what is reached, not what is promised.
struct MemoryConfig {
  std::string name;
  double gigabytes = 0;  // of a host
  double gigabytes_per_second = 0;
};
struct HardwareConfig {
  int hosts = 0;                            // that share the trainers; 0: this machine, measured
  std::vector<MemoryConfig> memory;         // for tables; fastest first
  double host_gigabytes_per_second = 0;     // of a trainer, to others of its host
  double network_gigabytes_per_second = 0;  // of a trainer, to other hosts
  double latency_us = 20;                   // of an exchange
  double teraflops = 0;                     // of a trainer, in dense layers
};

// What agents are seen doing, told from means of their episodes' statistics.
struct StageConfig {
  std::string name;
  std::map<std::string, double> above, below;  // by EnvironmentSpec::statistics
};
struct ReportConfig {
  std::vector<std::string> statistics;  // in the progress line
  std::vector<StageConfig> stages;      // in the order in which they are expected
  int64_t stage_episodes = 2000;        // whose means decide
};

struct ExperimentConfig {
  int version = 1;
  std::string name;  // default: the file's stem
  uint64_t seed = 1;
  bool deterministic = false;
  StopConfig stop;
  TypedOptions environment;  // or
  TypedOptions dataset;      // read and learnt from, without anybody who acts; type "": none
  std::vector<PolicyConfig> policies;  // sorted by name; default: one called "default"
  std::vector<AgentMatch> agents;      // default: every agent, the first policy
  TypedOptions algorithm;
  TypedOptions backend{.type = "auto", .options = {}, .where = {}};
  ActorConfig actor;
  ReaderConfig reader;
  PolicyWorkerConfig policy_worker;
  TrainerConfig trainer;
  ParameterServerConfig parameter_server;
  int spin_us = 50;  // actors and policy workers, before a wait goes to sleep
  InferenceStreamConfig inference_stream;
  SampleStreamConfig sample_stream;
  WeightStreamConfig weight_stream;
  CheckpointConfig checkpoint;
  SupervisionConfig supervision;
  ClusterConfig cluster;
  HardwareConfig hardware;
  ReportConfig report;
  std::vector<std::string> plugins;  // paths; relative ones are relative to the file

  // Where each key was written, for messages: dotted key -> "file.yaml:7" or "--set key".
  std::map<std::string, std::string> places;
  bool reads_dataset() const { return !dataset.type.empty(); }
  // E of a segment; of a dataset a sample is a step of an environment of its own. 0: not known yet.
  int segment_environments() const {
    if (reads_dataset()) return reader.segment_samples;
    return actor.groups == 0 ? 0 : actor.environments / actor.groups;
  }
  // What the limit of a run and the size of a batch are called.
  const char* steps_key() const { return reads_dataset() ? "samples" : "env_steps"; }
  const char* batch_key() const { return reads_dataset() ? "batch_samples" : "batch_env_steps"; }
  // How many batches may be granted, trained and on the way at once.
  int batches_under_way() const {
    return 1 + (reads_dataset() ? reader.batches_ahead : trainer.max_policy_lag);
  }

  // "file.yaml:7: KEY", as messages begin; KEY alone if it was not written.
  std::string Subject(const std::string& key) const;
};

// `key=value` from --set; the value is YAML.
struct Override {
  std::string key;
  std::string value;
};

// "a.b=c" -> Override. kInvalidArgument without '='.
absl::StatusOr<std::vector<Override>> ParseOverrides(const std::vector<std::string>& set);

// The options that `--set KEY=VALUE` alone makes; the values are YAML.
absl::StatusOr<Options> ParseOptions(const std::vector<Override>& overrides);

// Reads, applies overrides and `workers.scale`, checks every value that needs no registry.
// kNotFound: no such file. kInvalidArgument: "FILE:LINE: what, expected, got; did you mean ...".
absl::StatusOr<ExperimentConfig> LoadExperiment(const std::filesystem::path& file,
                                                const std::vector<Override>& overrides = {});
absl::StatusOr<ExperimentConfig> ParseExperiment(const std::string& yaml,
                                                 const std::string& file_name,
                                                 const std::vector<Override>& overrides = {});
// The resolved file: every key with its value. ParseExperiment(Dump(c)) == c.
std::string DumpExperiment(const ExperimentConfig& config);
// CRC-32C of the resolved file without its name, as 8 hexadecimal digits.
std::string ConfigHash(const ExperimentConfig& config);

}  // namespace millrace
