#include "config/experiment.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "config/experiment_checks.h"
#include "config/limits.h"
#include "config/place.h"
#include "config/scale.h"
#include "config/section.h"
#include "config/yaml_tree.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr double kMaxSeconds = 1e9;  // about 30 years
constexpr int64_t kDatasetBatch = 8192;
constexpr double kMostHardware = 1e9;  // gigabytes, gigabytes a second, teraflops
constexpr double kLeastRate = 1e-6;
constexpr double kAnyHigh = std::numeric_limits<double>::max();
constexpr double kAnyLow = std::numeric_limits<double>::lowest();

// Adds the plain values of a list. Returns the node that is neither list nor plain value, or null.
const YamlNode* AddItems(const YamlNode& list, Options::Value& value) {
  if (list.kind != YamlNode::Kind::kList) return &list;
  for (const YamlNode& item : list.items) {
    if (item.kind != YamlNode::Kind::kScalar) return &item;
    value.items.push_back(item.text);
    value.quoted = value.quoted || item.quoted;
  }
  return nullptr;
}

// A list of lists if its first item is one. Returns what does not belong there, or null.
const YamlNode* ReadList(const YamlNode& list, Options::Value& value) {
  value.is_list = true;
  if (list.items.empty() || list.items.front().kind != YamlNode::Kind::kList) {
    return AddItems(list, value);
  }
  for (const YamlNode& inner : list.items) {
    if (const YamlNode* wrong = AddItems(inner, value)) return wrong;
    value.lengths.push_back(inner.items.size());
  }
  return nullptr;
}

// A free option of a typed section: a scalar, a list of scalars or a list of such lists.
void ReadOption(Section& section, const std::string& key, Options& options) {
  const YamlNode& node = *section.Node(key);
  Options::Value value{.items = {}, .where = node.where, .path = section.PathOf(key)};
  if (node.kind == YamlNode::Kind::kScalar) {
    value.items = {node.text};
    value.quoted = node.quoted;
  } else if (node.kind == YamlNode::Kind::kList) {
    if (const YamlNode* wrong = ReadList(node, value)) {
      section.problems().Add(section.PathOf(key), "a list of plain values or of lists of them",
                             Describe(*wrong));
    }
  } else {
    section.problems().Add(section.PathOf(key), "a plain value or a list of them", Describe(node));
  }
  options.Set(key, std::move(value));
}

// The type may be left out if `typed` has a default.
void ReadTyped(Section section, const std::string& path, const std::string& example,
               TypedOptions& typed) {
  section.String("type", typed.type);
  typed.where = section.problems().PlaceOf(section.PathOf("type"));
  if (typed.type.empty()) {
    section.problems().Add(path, absl::StrCat("a map with a type, such as {type: ", example, "}"),
                           section.Keys().empty() ? "nothing" : "no type");
  }
  for (const std::string& key : section.Keys()) {
    if (key != "type") ReadOption(section, key, typed.options);
  }
}

// True if the key is there and not null.
bool Present(Section& section, const std::string& key) {
  const YamlNode* node = section.Node(key);
  return node != nullptr && node->kind != YamlNode::Kind::kNull;
}

// Samples of a dataset and steps of an environment have keys of their own. Returns the right one.
const char* StepsKey(Section& section, bool dataset, const char* of_dataset, const char* of_steps) {
  const char* const right = dataset ? of_dataset : of_steps;
  const char* const wrong = dataset ? of_steps : of_dataset;
  if (section.Node(wrong) != nullptr) {
    section.problems().Add(section.PathOf(wrong),
                           absl::StrCat("the key ", section.PathOf(right), " with ",
                                        dataset ? "a dataset" : "an environment"),
                           absl::StrCat("\"", wrong, "\""));
  }
  return right;
}

void ReadStop(Section section, bool dataset, StopConfig& stop) {
  const char* const steps = StepsKey(section, dataset, "samples", "env_steps");
  if (Present(section, steps)) section.UInt64(steps, stop.env_steps.emplace());
  if (Present(section, "episode_return")) {
    section.Double("episode_return", stop.episode_return.emplace(), kAnyLow, kAnyHigh);
  }
  if (Present(section, "wall_seconds")) {
    section.Double("wall_seconds", stop.wall_seconds.emplace(), 0, kMaxSeconds);
  }
  section.Bool("require_goal", stop.require_goal);
  section.Finish();
}

// The texts of a list; none if it is absent. Messages expect `list`, made of `items`.
std::vector<std::string> ReadTexts(const YamlNode* node, const std::string& key,
                                   const std::string& list, const std::string& items,
                                   Problems& problems) {
  std::vector<std::string> texts;
  if (node == nullptr) return texts;
  if (node->kind != YamlNode::Kind::kList) {
    problems.Add(key, list, Describe(*node));
    return texts;
  }
  for (const YamlNode& item : node->items) {
    if (item.kind != YamlNode::Kind::kScalar || item.text.empty()) {
      problems.Add(key, items, Describe(item));
    }
    problems.RecordPlace(absl::StrCat(key, "[", texts.size(), "]"), item.where);
    texts.push_back(item.text);
  }
  return texts;
}

void ReadLeague(Section section, std::optional<LeagueConfig>& league) {
  section.UInt64("every_versions", league.emplace().every_versions);
  section.Int("opponents", league->opponents, 1, kMaxOpponents);
  section.Double("share", league->share, 0, 1);
  league->teams = ReadTexts(section.Node("teams"), section.PathOf("teams"),
                            "a list such as [\"hider.*\", \"seeker.*\"]", "regular expressions",
                            section.problems());
  section.Finish();
}

void ReadPolicies(Section section, std::vector<PolicyConfig>& policies) {
  for (const std::string& name : section.Keys()) {
    PolicyConfig policy;
    policy.name = name;
    Section entry = section.Child(name);
    ReadTyped(entry.Child("model"), entry.PathOf("model"), "mlp", policy.model);
    entry.String("init_from", policy.init_from);
    entry.String("init_policy", policy.init_policy);
    policy.init_except =
        ReadTexts(entry.Node("init_except"), entry.PathOf("init_except"),
                  "a list such as [\".*head.*\"]", "regular expressions", entry.problems());
    if (Present(entry, "league")) ReadLeague(entry.Child("league"), policy.league);
    entry.Finish();
    policies.push_back(std::move(policy));
  }
  if (policies.empty()) policies.emplace_back().name = "default";
  std::sort(policies.begin(), policies.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

void ReadAgents(const YamlNode* node, Problems& problems, ExperimentConfig& config) {
  const std::string first_policy = config.policies.front().name;
  if (node == nullptr) {
    config.agents = {{.match = ".*", .policy = first_policy}};
    return;
  }
  if (node->kind != YamlNode::Kind::kList || node->items.empty()) {
    problems.Add("agents", "a list such as [{match: \".*\", policy: default}]", Describe(*node));
  }
  for (size_t i = 0; i < node->items.size(); ++i) {
    const std::string path = absl::StrCat("agents[", i, "]");
    problems.RecordPlace(path, node->items[i].where);
    AgentMatch agent{.match = ".*", .policy = first_policy};
    Section section(&node->items[i], path, problems);
    section.String("match", agent.match);
    section.String("policy", agent.policy);
    section.Finish();
    config.agents.push_back(std::move(agent));
  }
}

void ReadActor(Section section, ActorConfig& actor) {
  section.Int("count", actor.count, 1, kMaxWorkers);
  section.Int("environments", actor.environments, 1, kMaxSize);
  section.IntOr("auto", "groups", actor.groups, 1, 64);
  const std::vector<std::string> modes = {"remote", "inline", "trainer"};  // as InferenceMode
  if (const auto mode = section.Choice("inference", modes)) {
    actor.inference = static_cast<InferenceMode>(*mode);
  }
  section.Finish();
}

void ReadReader(Section section, ReaderConfig& reader) {
  section.Int("count", reader.count, 1, kMaxWorkers);
  section.Int("segment_samples", reader.segment_samples, 1, kMaxSize);
  section.Int("batches_ahead", reader.batches_ahead, 0, 1 << 10);
  section.Finish();
}

void ReadPolicyWorker(Section section, PolicyWorkerConfig& policy) {
  section.Int("count", policy.count, 1, kMaxWorkers);
  section.Int("max_batch", policy.max_batch, 1, kMaxSize);
  section.Int("max_delay_us", policy.max_delay_us, 0, 10'000'000);
  section.String("device", policy.device);
  section.Finish();
}

void ReadTrainer(Section section, bool dataset, TrainerConfig& trainer) {
  section.Int("count", trainer.count, 1, kMaxWorkers);
  section.Int64(StepsKey(section, dataset, "batch_samples", "batch_env_steps"),
                trainer.batch_env_steps, 1, kMaxBatchEnvSteps);
  section.Int("unroll", trainer.unroll, 1, 1 << 16);
  section.Int("max_policy_lag", trainer.max_policy_lag, 0, 1 << 16);
  section.Int("sample_reuse", trainer.sample_reuse, 1, 1 << 10);
  section.Int("threads", trainer.threads, 1, 1 << 10);
  section.String("device", trainer.device);
  section.Finish();
}

void ReadParameterServer(Section section, ParameterServerConfig& server) {
  section.Int("count", server.count, 1, kMaxWorkers);
  section.Finish();
}

// Returns `scale`.
int ReadWorkers(Section section, ExperimentConfig& config) {
  if (config.reads_dataset()) {
    config.trainer.batch_env_steps = kDatasetBatch;
    config.trainer.unroll = 1;
    ReadReader(section.Child("reader"), config.reader);
  } else {
    ReadActor(section.Child("actor"), config.actor);
    ReadPolicyWorker(section.Child("policy"), config.policy_worker);
    ReadParameterServer(section.Child("parameter_server"), config.parameter_server);
  }
  ReadTrainer(section.Child("trainer"), config.reads_dataset(), config.trainer);
  section.Int("spin_us", config.spin_us, 0, 1'000);
  int scale = 1;
  section.Int("scale", scale, 1, kMaxWorkers);
  section.Finish();
  return scale;
}

void ReadInferenceStream(Section section, InferenceStreamConfig& stream) {
  section.Choice("transport", stream.transport, {"auto", "shm", "zmq"});
  section.Finish();
}

void ReadSampleStream(Section section, SampleStreamConfig& stream) {
  section.Choice("transport", stream.transport, {"auto", "shm", "zmq"});
  section.Int("capacity", stream.capacity, 1, kMaxSize);
  section.Choice("when_full", {"wait"});
  section.Bool("checksum", stream.checksum);
  section.Choice("observations", stream.observations, {"raw", "bfloat16", "bounded"});
  section.Double("observation_error", stream.observation_error, 1e-6, 1);
  section.Finish();
}

void ReadWeightStream(Section section, WeightStreamConfig& stream) {
  section.Choice("transport", stream.transport, {"auto", "shm", "grpc"});
  section.Bool("checksum", stream.checksum);
  section.Finish();
}

void ReadStreams(Section section, ExperimentConfig& config) {
  ReadInferenceStream(section.Child("inference"), config.inference_stream);
  ReadSampleStream(section.Child("sample"), config.sample_stream);
  ReadWeightStream(section.Child("weight"), config.weight_stream);
  section.Finish();
}

void ReadCheckpoint(Section section, CheckpointConfig& checkpoint) {
  section.Double("every_seconds", checkpoint.every_seconds, 0, kMaxSeconds);
  section.Int("keep", checkpoint.keep, 1, kMaxSize);
  section.Finish();
}

void ReadSupervision(Section section, SupervisionConfig& supervision) {
  section.Double("heartbeat_seconds", supervision.heartbeat_seconds, 0.01, 3600);
  section.Double("lease_seconds", supervision.lease_seconds, 0.1, 86400);
  section.Double("orphan_grace_seconds", supervision.orphan_grace_seconds, 0.1, 86400);
  section.Double("restart_delay_seconds", supervision.restart_delay_seconds, 0, 60);
  section.Int("max_restarts_per_minute", supervision.max_restarts_per_minute, 0, 1000);
  section.Double("drain_seconds", supervision.drain_seconds, 0.1, 86400);
  section.Finish();
}

void ReadCluster(Section section, ClusterConfig& cluster) {
  section.Choice("engine", cluster.engine, {"local"});
  section.Int("controller_port", cluster.controller_port, 0, 65535);
  section.Finish();
}

void ReadMemory(const YamlNode* node, Problems& problems, std::vector<MemoryConfig>& memory) {
  if (node == nullptr || node->kind != YamlNode::Kind::kList || node->items.empty()) {
    problems.Add("hardware.memory",
                 "a list such as [{name: ddr, gigabytes: 512, gigabytes_per_second: 200}]",
                 node == nullptr ? "nothing" : Describe(*node));
    return;
  }
  for (size_t i = 0; i < node->items.size(); ++i) {
    const std::string path = absl::StrCat("hardware.memory[", i, "]");
    problems.RecordPlace(path, node->items[i].where);
    MemoryConfig& kind = memory.emplace_back();
    Section section(&node->items[i], path, problems);
    section.String("name", kind.name);
    section.Double("gigabytes", kind.gigabytes, kLeastRate, kMostHardware);
    section.Double("gigabytes_per_second", kind.gigabytes_per_second, kLeastRate, kMostHardware);
    if (kind.name.empty()) problems.Add(section.PathOf("name"), "a name", "none");
    const double before = i == 0 ? kMostHardware : memory[i - 1].gigabytes_per_second;
    if (kind.gigabytes_per_second > before) {
      problems.Add(section.PathOf("gigabytes_per_second"),
                   absl::StrCat("at most the ", before, " of the memory before it"),
                   absl::StrCat(kind.gigabytes_per_second));
    }
    for (const char* const needed : {"gigabytes", "gigabytes_per_second"}) {
      if (section.Node(needed) == nullptr) problems.Add(section.PathOf(needed), "a number", "none");
    }
    section.Finish();
  }
}

void ReadHardware(Section section, HardwareConfig& hardware) {
  section.Int("hosts", hardware.hosts, 1, kMaxWorkers);
  ReadMemory(section.Node("memory"), section.problems(), hardware.memory);
  for (const auto& [key, number] :
       {std::pair{"host_gigabytes_per_second", &hardware.host_gigabytes_per_second},
        {"network_gigabytes_per_second", &hardware.network_gigabytes_per_second},
        {"teraflops", &hardware.teraflops}}) {
    section.Double(key, *number, kLeastRate, kMostHardware);
    if (section.Node(key) == nullptr)
      section.problems().Add(section.PathOf(key), "a number", "none");
  }
  if (hardware.hosts == 0) section.problems().Add(section.PathOf("hosts"), "a number", "none");
  section.Double("latency_us", hardware.latency_us, 0, 1e6);
  section.Finish();
}

std::map<std::string, double> ReadThresholds(Section section) {
  std::map<std::string, double> thresholds;
  for (const std::string& statistic : section.Keys()) {
    section.Double(statistic, thresholds[statistic], kAnyLow, kAnyHigh);
  }
  return thresholds;
}

StageConfig ReadStage(Section section, const std::string& path) {
  StageConfig stage;
  section.String("name", stage.name);
  stage.above = ReadThresholds(section.Child("above"));
  stage.below = ReadThresholds(section.Child("below"));
  if (stage.name.empty()) section.problems().Add(section.PathOf("name"), "a name", "none");
  if (stage.above.empty() && stage.below.empty()) {
    section.problems().Add(path, "thresholds: above or below", "none");
  }
  section.Finish();
  return stage;
}

void ReadStages(const YamlNode* node, Problems& problems, std::vector<StageConfig>& stages) {
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::kList) {
    problems.Add("report.stages", "a list such as [{name: chase, below: {hidden_fraction: 0.5}}]",
                 Describe(*node));
  }
  for (size_t i = 0; i < node->items.size(); ++i) {
    const std::string path = absl::StrCat("report.stages[", i, "]");
    problems.RecordPlace(path, node->items[i].where);
    stages.push_back(ReadStage(Section(&node->items[i], path, problems), path));
  }
}

void ReadReport(Section section, ReportConfig& report) {
  report.statistics = ReadTexts(section.Node("statistics"), "report.statistics", "a list of names",
                                "names", section.problems());
  section.Int64("stage_episodes", report.stage_episodes, 1, 1 << 30);
  ReadStages(section.Node("stages"), section.problems(), report.stages);
  section.Finish();
}

void ReadPlugins(const YamlNode* node, const std::filesystem::path& folder, Problems& problems,
                 std::vector<std::string>& plugins) {
  for (const std::string& path :
       ReadTexts(node, "plugins", "a list of libraries", "paths of libraries", problems)) {
    plugins.push_back((folder / path).lexically_normal().string());
  }
}

// Paths are relative to the experiment's file: options `file` and `..._file`.
void ResolveFiles(const std::filesystem::path& experiment, Options& options) {
  std::error_code error;
  const auto folder = std::filesystem::absolute(experiment, error).parent_path();
  const auto values = options.values();
  for (auto [key, value] : values) {
    if ((key != "file" && !key.ends_with("_file")) || value.items.size() != 1) continue;
    if (value.items.front().empty()) continue;
    value.items.front() = (folder / value.items.front()).lexically_normal().string();
    options.Set(key, std::move(value));
  }
}

// Returns `workers.scale`, which is not applied yet.
int ReadExperiment(const YamlNode& root, const std::filesystem::path& file, Problems& problems,
                   ExperimentConfig& config) {
  Section section(&root, "", problems);
  section.Int("version", config.version, 1, 1);
  config.name = file.stem().string();
  section.String("name", config.name);
  section.UInt64("seed", config.seed);
  section.Bool("deterministic", config.deterministic);
  if (Present(section, "dataset")) {
    ReadTyped(section.Child("dataset"), "dataset", "teacher_clicks", config.dataset);
    ResolveFiles(file, config.dataset.options);
    if (Present(section, "environment")) {
      problems.Add("environment", "none beside a dataset", "one");
    }
  } else {
    ReadTyped(section.Child("environment"), "environment", "cartpole", config.environment);
  }
  ReadStop(section.Child("stop"), config.reads_dataset(), config.stop);
  ReadPolicies(section.Child("policies"), config.policies);
  ReadAgents(section.Node("agents"), problems, config);
  if (config.reads_dataset() && section.Node("agents") != nullptr) {
    problems.Add("agents", "none with a dataset", "a list");
  }
  ReadTyped(section.Child("algorithm"), "algorithm", "ppo", config.algorithm);
  ReadTyped(section.Child("backend"), "backend", "auto", config.backend);
  ResolveFiles(file, config.backend.options);
  for (PolicyConfig& policy : config.policies) policy.backend = config.backend;
  const int scale = ReadWorkers(section.Child("workers"), config);
  ReadStreams(section.Child("streams"), config);
  ReadCheckpoint(section.Child("checkpoint"), config.checkpoint);
  ReadSupervision(section.Child("supervision"), config.supervision);
  ReadCluster(section.Child("cluster"), config.cluster);
  if (Present(section, "hardware")) ReadHardware(section.Child("hardware"), config.hardware);
  ReadReport(section.Child("report"), config.report);
  std::error_code error;
  const auto folder = std::filesystem::absolute(file, error).parent_path();
  ReadPlugins(section.Node("plugins"), folder, problems, config.plugins);
  section.Finish();
  return scale;
}

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) {
    return absl::NotFoundError(absl::StrCat(file.string(), ": expected a file, got none"));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return absl::NotFoundError(absl::StrCat(file.string(), ": cannot be read"));
  std::string text;
  // One byte more than is allowed, so that the parser notices a longer file.
  text.resize(kMaxYamlBytes + 1);
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

}  // namespace

absl::StatusOr<std::vector<Override>> ParseOverrides(const std::vector<std::string>& set) {
  std::vector<Override> overrides;
  for (const std::string& text : set) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--set: expected KEY=VALUE, for example algorithm.clip=0.1, got \"", text, "\""));
    }
    overrides.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return overrides;
}

absl::StatusOr<Options> ParseOptions(const std::vector<Override>& overrides) {
  YamlNode root{.kind = YamlNode::Kind::kMap};
  for (const Override& override_ : overrides) {
    MILLRACE_RETURN_IF_ERROR(ApplyOverride(root, override_.key, override_.value));
  }
  Problems problems("--set");
  Section section(&root, "", problems);
  Options options;
  for (const std::string& key : section.Keys()) ReadOption(section, key, options);
  if (!problems.status().ok()) return problems.status();
  return options;
}

absl::StatusOr<ExperimentConfig> ParseExperiment(const std::string& yaml,
                                                 const std::string& file_name,
                                                 const std::vector<Override>& overrides) {
  MILLRACE_ASSIGN_OR_RETURN(YamlNode root, ParseYamlFile(yaml, file_name));
  for (const Override& override_ : overrides) {
    MILLRACE_RETURN_IF_ERROR(ApplyOverride(root, override_.key, override_.value));
  }
  Problems problems(file_name);
  ExperimentConfig config;
  const int scale = ReadExperiment(root, file_name, problems, config);
  if (problems.status().ok()) CheckExperiment(config, problems);
  // What holds at scale 1 holds at every scale, and messages have the file's own numbers.
  if (problems.status().ok() && scale > 1) ApplyScale(scale, config, problems);
  if (!problems.status().ok()) return problems.status();
  config.places = problems.places();
  return config;
}

std::string ExperimentConfig::Subject(const std::string& key) const {
  const auto place = places.find(key);
  return millrace::Subject(place == places.end() ? "" : place->second, key);
}

absl::StatusOr<ExperimentConfig> LoadExperiment(const std::filesystem::path& file,
                                                const std::vector<Override>& overrides) {
  MILLRACE_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  return ParseExperiment(text, file.string(), overrides);
}

}  // namespace millrace
