#include "config/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace millrace {
namespace {

using ::testing::HasSubstr;

constexpr char kShortest[] = "environment: {type: cartpole}\nalgorithm: {type: ppo}\n";

// The message of the error that `extra`, appended to the shortest legal file (so on line 3), gives.
std::string ErrorOf(const std::string& extra, const std::vector<Override>& overrides = {}) {
  const auto config = ParseExperiment(kShortest + extra, "a.yaml", overrides);
  if (config.ok()) return "no error";
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(config.status().message());
}

ExperimentConfig Parsed(const std::string& extra, const std::vector<Override>& overrides = {}) {
  auto config = ParseExperiment(kShortest + extra, "a.yaml", overrides);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *std::move(config) : ExperimentConfig{};
}

TEST(Experiment, ShortestFileNamesAnEnvironmentAndAnAlgorithm) {
  const ExperimentConfig config = Parsed("");
  EXPECT_EQ(config.name, "a");
  EXPECT_EQ(config.environment.type, "cartpole");
  EXPECT_EQ(config.environment.where, "a.yaml:1");
  EXPECT_EQ(config.algorithm.type, "ppo");
  ASSERT_EQ(config.policies.size(), 1u);
  EXPECT_EQ(config.policies[0].name, "default");
  EXPECT_EQ(config.policies[0].model.type, "mlp");
  ASSERT_EQ(config.agents.size(), 1u);
  EXPECT_EQ(config.agents[0].policy, "default");
}

TEST(Experiment, WithoutAnEnvironmentSaysWhatToWrite) {
  const auto config = ParseExperiment("algorithm: {type: ppo}\n", "a.yaml");
  EXPECT_EQ(
      config.status().message(),
      "a.yaml: environment: expected a map with a type, such as {type: cartpole}, got nothing");
}

TEST(Experiment, ReadsTypedOptionsWithTheirPlaces) {
  const ExperimentConfig config = Parsed(
      "policies:\n  b: {}\n  a:\n    model:\n      hidden: [64, 32]\n      activation: relu\n");
  ASSERT_EQ(config.policies.size(), 2u);
  EXPECT_EQ(config.policies[0].name, "a");  // sorted
  const Options& model = config.policies[0].model.options;
  EXPECT_EQ(model.GetString("activation", ""), "relu");
  EXPECT_EQ(model.values().at("hidden").where, "a.yaml:7");
  EXPECT_EQ(config.agents[0].policy, "a");
}

TEST(Experiment, ReadsListsOfLists) {
  const auto model = [](const std::string& value) {
    return "policies: {a: {model: {filters: " + value + "}}}\n";
  };
  const ExperimentConfig config = Parsed(model("[[32, 8, 4], [64, 3, 1]]"));
  EXPECT_EQ(config.policies[0].model.options.GetDoubleLists("filters", {}),
            (std::vector<std::vector<double>>{{32, 8, 4}, {64, 3, 1}}));
  const std::string place = "a.yaml:3: policies.a.model.filters: expected a list of plain values ";
  EXPECT_EQ(ErrorOf(model("[[1], 2]")), place + "or of lists of them, got \"2\"");
  EXPECT_EQ(ErrorOf(model("[1, [2]]")), place + "or of lists of them, got a list");
  EXPECT_EQ(ErrorOf(model("[[[1]]]")), place + "or of lists of them, got a list");
  EXPECT_EQ(ErrorOf(model("[{b: 1}]")), place + "or of lists of them, got a map");
}

TEST(Experiment, ScaleMultipliesWorkersAndBatchesAndIsGoneAfterwards) {
  const ExperimentConfig config =
      Parsed("workers: {scale: 3, actor: {count: 2}, trainer: {count: 1, batch_env_steps: 1536}}\n",
             {{"algorithm.minibatch", "256"}});
  EXPECT_EQ(config.actor.count, 6);
  EXPECT_EQ(config.policy_worker.count, 3);
  EXPECT_EQ(config.trainer.count, 3);
  EXPECT_EQ(config.parameter_server.count, 3);
  // Each trainer has what it had.
  EXPECT_EQ(config.trainer.batch_env_steps, 3 * 1536);
  EXPECT_EQ(config.algorithm.options.GetInt("minibatch", 0), 3 * 256);
  EXPECT_EQ(config.sample_stream.capacity, 3 * 1024);
  EXPECT_EQ(config.actor.environments, 32);
  EXPECT_EQ(config.policy_worker.max_batch, 256);
  const auto again = ParseExperiment(DumpExperiment(config), "config.yaml");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->trainer.count, 3);
  EXPECT_EQ(again->trainer.batch_env_steps, 3 * 1536);
}

TEST(Experiment, ScaleLeavesAMinibatchAloneThatIsNoNumber) {
  EXPECT_FALSE(Parsed("workers: {scale: 2}\n").algorithm.options.Has("minibatch"));
  for (const char* value : {"0", "many", "[1, 2]"}) {
    const auto& options =
        Parsed("workers: {scale: 2}\n", {{"algorithm.minibatch", value}}).algorithm.options;
    EXPECT_EQ(options.values().at("minibatch").items, Parsed("", {{"algorithm.minibatch", value}})
                                                          .algorithm.options.values()
                                                          .at("minibatch")
                                                          .items);
  }
}

TEST(Experiment, ScaleIsShortForTheMultipliedNumbers) {
  const auto scaled = Parsed("workers: {scale: 2}\n");
  const auto written = Parsed(
      "workers: {actor: {count: 4}, policy: {count: 2}, trainer: {count: 2, batch_env_steps: "
      "4096}, parameter_server: {count: 2}}\nstreams: {sample: {capacity: 2048}}\n");
  EXPECT_EQ(DumpExperiment(scaled), DumpExperiment(written));
}

TEST(ExperimentErrors, AGroupNeedsAnEnvironment) {
  EXPECT_THAT(ErrorOf("workers: {actor: {environments: 1, groups: 2}}\n"),
              HasSubstr("workers.actor.environments: expected a multiple of 2"));
}

constexpr char kDataset[] =
    "dataset: {type: teacher_clicks, seed: 3}\nalgorithm: {type: binary_classification}\n";

TEST(Experiment, OfADatasetCountsSamples) {
  const auto config = ParseExperiment(
      kDataset + std::string("stop: {samples: 100}\nworkers: {reader: {count: 2, segment_samples: "
                             "512}, trainer: {batch_samples: 2048}}\n"),
      "a.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->reads_dataset());
  EXPECT_EQ(config->dataset.options.GetInt("seed", 0), 3);
  EXPECT_EQ(config->stop.env_steps, 100u);
  EXPECT_EQ(config->trainer.batch_env_steps, 2048);
  EXPECT_EQ(config->trainer.unroll, 1);
  EXPECT_EQ(config->segment_environments(), 512);
  EXPECT_EQ(config->batches_under_way(), 5);
  const std::string dumped = DumpExperiment(*config);
  EXPECT_THAT(dumped, testing::Not(HasSubstr("environment")));
  const auto again = ParseExperiment(dumped, "a.yaml");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(DumpExperiment(*again), dumped);
}

TEST(ExperimentErrors, OfADatasetNameItsOwnKeys) {
  const auto error = [](const std::string& extra) {
    return std::string(ParseExperiment(kDataset + extra, "a.yaml").status().message());
  };
  EXPECT_EQ(error("stop: {env_steps: 5}\n"),
            "a.yaml:3: stop.env_steps: expected the key stop.samples with a dataset, got "
            "\"env_steps\"");
  EXPECT_THAT(error("workers: {trainer: {batch_env_steps: 2048}}\n"),
              HasSubstr("expected the key workers.trainer.batch_samples with a dataset"));
  EXPECT_THAT(ErrorOf("stop: {samples: 5}\n"),
              HasSubstr("expected the key stop.env_steps with an environment"));
  EXPECT_EQ(error("environment: {type: cartpole}\n"),
            "a.yaml:3: environment: expected none beside a dataset, got one");
  EXPECT_THAT(error("workers: {actor: {count: 2}}\n"), HasSubstr("workers.actor: expected a key"));
  EXPECT_EQ(error("workers: {trainer: {batch_samples: 3000}}\n"),
            "a.yaml:3: workers.trainer.batch_samples: expected a multiple of 1024 "
            "(workers.reader.segment_samples 1024 x 1 trainers), got 3000; did you mean \"3072\"?");
  EXPECT_THAT(error("workers: {trainer: {unroll: 8}}\n"),
              HasSubstr("workers.trainer.unroll: expected 1 with a dataset, got 8"));
  EXPECT_THAT(error("workers: {trainer: {max_policy_lag: 1}}\n"), HasSubstr("readers are ahead"));
  EXPECT_THAT(error("stop: {episode_return: 5}\n"), HasSubstr("stop.episode_return"));
  EXPECT_THAT(error("policies: {a: {}, b: {}}\n"), HasSubstr("policies: expected one"));
  EXPECT_THAT(error("agents: [{match: a}]\n"), HasSubstr("agents: expected none with a dataset"));
  EXPECT_THAT(error("workers: {trainer: {count: 3}}\n"),
              HasSubstr("expected a multiple of 3072 (workers.reader.segment_samples 1024 x 3 "
                        "trainers)"));
  EXPECT_THAT(error("workers: {trainer: {batch_samples: 65536}}\n"),
              HasSubstr("segment_samples) make fewer"));
}

TEST(Experiment, FilesOfADatasetLieBesideIt) {
  const auto config = ParseExperiment(
      "dataset: {type: click_log, file: log.tsv, held_out_file: /elsewhere/held.tsv}\n"
      "algorithm: {type: binary_classification}\n",
      "/where/it/lies/a.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->dataset.options.GetString("file", ""), "/where/it/lies/log.tsv");
  EXPECT_EQ(config->dataset.options.GetString("held_out_file", ""), "/elsewhere/held.tsv");
}

TEST(ExperimentErrors, OfHardwareSayWhatIsMissing) {
  const std::string rest =
      "host_gigabytes_per_second: 1, network_gigabytes_per_second: 1, teraflops: 1}\n";
  EXPECT_THAT(ErrorOf("hardware: {hosts: 2, " + rest),
              HasSubstr("hardware.memory: expected a list such as"));
  EXPECT_THAT(ErrorOf("hardware: {hosts: 2, memory: [{name: ddr, gigabytes: 1}], " + rest),
              HasSubstr("hardware.memory[0].gigabytes_per_second: expected a number, got none"));
  const std::string memory = "memory: [{name: a, gigabytes: 1, gigabytes_per_second: 1}], ";
  EXPECT_THAT(ErrorOf("hardware: {" + memory + rest),
              HasSubstr("hardware.hosts: expected a number, got none"));
  EXPECT_THAT(ErrorOf("hardware: {hosts: 1, " + memory + "teraflop: 1, " + rest),
              HasSubstr("did you mean \"teraflops\"?"));
}

TEST(ExperimentErrors, OfAScaledFileHaveItsOwnNumbers) {
  EXPECT_EQ(ErrorOf("workers:\n  scale: 4\n  trainer: {batch_env_steps: 2000}\n"),
            "a.yaml:5: workers.trainer.batch_env_steps: expected a multiple of 512 (unroll 32 x 16 "
            "environments of a group x 1 trainers), got 2000; did you mean \"2048\"?");
  EXPECT_EQ(ErrorOf("", {{"workers.scale", "0"}}),
            "--set workers.scale: expected an integer from 1 to 1024, got \"0\"");
  EXPECT_EQ(ErrorOf("", {{"workers.scale", "1.5"}}),
            "--set workers.scale: expected an integer from 1 to 1024, got \"1.5\"");
  EXPECT_EQ(ErrorOf("", {{"workers.scale", "600"}}),
            "--set workers.scale: expected at most 1024 processes of a role, got 1200");
  EXPECT_EQ(ErrorOf("workers: {scale: 1000}\n"),
            "a.yaml:3: workers.scale: expected at most 1024 processes of a role, got 2000");
}

TEST(Experiment, SamplesAreUsedOnceUnlessTheFileSaysMore) {
  EXPECT_EQ(Parsed("").trainer.sample_reuse, 1);
  EXPECT_EQ(Parsed("workers: {trainer: {sample_reuse: 4}}\n").trainer.sample_reuse, 4);
  EXPECT_EQ(ErrorOf("workers:\n  trainer:\n    sample_reuse: 0\n"),
            "a.yaml:5: workers.trainer.sample_reuse: expected an integer from 1 to 1024, got "
            "\"0\"");
}

TEST(Experiment, TakesIntegersInScientificNotation) {
  EXPECT_EQ(Parsed("stop: {env_steps: 1e6}\n").stop.env_steps, 1000000u);
  EXPECT_THAT(ErrorOf("stop: {env_steps: 1_000}\n"), HasSubstr("got \"1_000\""));
}

TEST(ExperimentErrors, AreOneLineWithPlaceExpectationAndNearestName) {
  EXPECT_EQ(ErrorOf("workers:\n  actr: {count: 2}\n"),
            "a.yaml:4: workers.actr: expected a key of workers, got \"actr\"; did you mean "
            "\"actor\"?");
  EXPECT_EQ(ErrorOf("sead: 1\n"),
            "a.yaml:3: sead: expected a top-level key, got \"sead\"; did you mean \"seed\"?");
  EXPECT_EQ(
      ErrorOf("streams:\n  weight:\n    transport: gprc\n"),
      "a.yaml:5: streams.weight.transport: expected one of auto, shm, grpc, got \"gprc\"; did "
      "you mean \"grpc\"?");
  EXPECT_EQ(ErrorOf("agents: [{match: x, policy: defualt}]\n"),
            "a.yaml:3: agents[0].policy: expected a policy of this file, got \"defualt\"; did you "
            "mean \"default\"?");
}

TEST(ExperimentErrors, BatchesHaveAsManySegmentsAsALaneCanHold) {
  // A segment is 32 steps x 16 environments of a group = 512 environment steps.
  EXPECT_THAT(ErrorOf("workers: {trainer: {batch_env_steps: 262144}}\n"),
              HasSubstr("expected at most 256 segments of each trainer, got the 512 segments"));
  EXPECT_THAT(
      ErrorOf("streams: {sample: {capacity: 7}}\nworkers: {trainer: {max_policy_lag: 1}}\n"),
      HasSubstr("streams.sample.capacity: expected at least the 8 segments of max_policy_lag "
                "+ 1 = 2 batches, got 7"));
}

TEST(ExperimentErrors, SayWhatADeterministicRunNeeds) {
  EXPECT_EQ(ErrorOf("deterministic: true\nworkers: {trainer: {max_policy_lag: 1}}\n"),
            "a.yaml:4: workers.trainer.max_policy_lag: expected 0 in a deterministic run, got 1");
  EXPECT_EQ(ErrorOf("deterministic: true\nworkers: {trainer: {sample_reuse: 4}}\n"),
            "a.yaml:4: workers.trainer.sample_reuse: expected 1 in a deterministic run, got 4");
  // Two actors of 32 environments, 32 steps each: 2,048 environment steps.
  EXPECT_EQ(ErrorOf("deterministic: true\nworkers: {trainer: {batch_env_steps: 1024}}\n"),
            "a.yaml:4: workers.trainer.batch_env_steps: expected a multiple of 2048 (in a "
            "deterministic run: unroll 32 x 32 environments x 2 actors), got 1024; did you mean "
            "\"2048\"?");
}

TEST(ExperimentErrors, NameWrongTypesAndRanges) {
  EXPECT_EQ(ErrorOf("workers: {actor: {count: two}}\n"),
            "a.yaml:3: workers.actor.count: expected an integer from 1 to 1024, got \"two\"");
  EXPECT_EQ(ErrorOf("workers: {actor: {count: '2'}}\n"),
            "a.yaml:3: workers.actor.count: expected an integer from 1 to 1024, got \"2\"");
  EXPECT_EQ(ErrorOf("workers: {actor: {count: 0}}\n"),
            "a.yaml:3: workers.actor.count: expected an integer from 1 to 1024, got \"0\"");
  EXPECT_EQ(ErrorOf("workers: 3\n"), "a.yaml:3: workers: expected a map (key: value), got \"3\"");
  EXPECT_EQ(ErrorOf("deterministic: yes\n"),
            "a.yaml:3: deterministic: expected true or false, got \"yes\"");
  EXPECT_EQ(ErrorOf("checkpoint: {every_seconds: .nan}\n"),
            "a.yaml:3: checkpoint.every_seconds: expected a number from 0 to 1e+09, got \".nan\"");
  EXPECT_THAT(ErrorOf("seed: -1\n"), HasSubstr("seed: expected an integer of at least 0"));
  EXPECT_THAT(ErrorOf("name: [a]\n"), HasSubstr("a.yaml:3: name: expected a string, got a list"));
  EXPECT_THAT(ErrorOf("name: ../up\n"), HasSubstr("expected a name of 1 to 64 characters"));
  EXPECT_THAT(ErrorOf("policies: {a/b: {}}\n"), HasSubstr("policies.a/b: expected a name"));
  EXPECT_THAT(ErrorOf("backend: {type: auto, x: {y: 1}}\n"),
              HasSubstr("backend.x: expected a plain"));
}

TEST(ExperimentErrors, NameTheNearestValidSize) {
  EXPECT_EQ(ErrorOf("workers: {actor: {environments: 33, groups: 2}}\n"),
            "a.yaml:3: workers.actor.environments: expected a multiple of 2 "
            "(workers.actor.groups), got 33; did you mean \"34\"?");
  EXPECT_EQ(ErrorOf("workers:\n  trainer:\n    batch_env_steps: 2000\n"),
            "a.yaml:5: workers.trainer.batch_env_steps: expected a multiple of 512 (unroll 32 x 16 "
            "environments of a group x 1 trainers), got 2000; did you mean \"2048\"?");
}

TEST(ExperimentErrors, NameValuesThatDoNotGoTogether) {
  EXPECT_THAT(ErrorOf("agents: [{match: '('}]\n"),
              HasSubstr("agents[0].match: expected a regular"));
  EXPECT_THAT(ErrorOf("workers: {actor: {groups: some}}\n"),
              HasSubstr("auto or an integer from 1 to 64, got \"some\""));
  EXPECT_THAT(ErrorOf("deterministic: true\nworkers: {actor: {groups: auto}}\n"),
              HasSubstr("a number in a deterministic run, got auto"));
  EXPECT_THAT(ErrorOf("workers: {policy: {device: gpu}}\n"), HasSubstr("auto, cpu or cuda:N"));
  EXPECT_THAT(ErrorOf("stop: {require_goal: true}\n"), HasSubstr("stop.require_goal"));
  EXPECT_THAT(ErrorOf("policies: {a: {init_from: run@}}\n"), HasSubstr("RUN or RUN@STEP"));
  EXPECT_THAT(ErrorOf("supervision: {lease_seconds: 0.5}\n"), HasSubstr("at least twice"));
}

TEST(ExperimentYaml, RefusesWhatIsDangerousInYaml) {
  EXPECT_EQ(ErrorOf("seed: 1\nseed: 2\n"), "a.yaml:4: expected every key once, got \"seed\" again");
  EXPECT_EQ(ErrorOf("seed: &x 1\n"),
            "a.yaml:3: expected a value, got an anchor (&name), which is not allowed");
  EXPECT_THAT(ErrorOf("seed: !!int 1\n"), HasSubstr("a tag (!type)"));
  EXPECT_THAT(ErrorOf("plugins: &a [*a]\n"), HasSubstr("not allowed"));
  EXPECT_THAT(ErrorOf("---\nseed: 1\n"), HasSubstr("expected one YAML document"));
  EXPECT_THAT(ErrorOf("? [a]\n: 1\n"), HasSubstr("expected a key"));
  EXPECT_THAT(ErrorOf("plugins: " + std::string(40, '[') + std::string(40, ']')),
              HasSubstr("at most 32 levels"));
  EXPECT_THAT(ErrorOf("plugins: " + std::string(100000, '[')), HasSubstr("a.yaml"));
  EXPECT_THAT(ErrorOf("#" + std::string(1 << 20, 'x')), HasSubstr("1048576 bytes"));
  EXPECT_THAT(ErrorOf("seed: [1\n"), HasSubstr("expected YAML, got a syntax error"));
  EXPECT_FALSE(ParseExperiment("", "a.yaml").ok());
  EXPECT_FALSE(ParseExperiment("- 1\n", "a.yaml").ok());
}

TEST(ExperimentOverrides, ReplaceValuesAndWholeMaps) {
  const ExperimentConfig config = Parsed("stop: {env_steps: 5, wall_seconds: 9}\n",
                                         {{"stop", "{env_steps: 1000}"},
                                          {"algorithm.clip", "0.1"},
                                          {"workers.actor.count", "3"},
                                          {"policies.default.model.hidden", "[8, 8]"}});
  EXPECT_EQ(config.stop.env_steps, 1000u);
  EXPECT_EQ(config.stop.wall_seconds, std::nullopt);
  EXPECT_EQ(config.algorithm.options.GetDouble("clip", 0), 0.1);
  EXPECT_EQ(config.actor.count, 3);
  EXPECT_TRUE(config.policies[0].model.options.values().at("hidden").is_list);
}

TEST(ExperimentOverrides, UnsetAStopConditionWithNull) {
  EXPECT_EQ(Parsed("stop: {env_steps: 5}\n", {{"stop.env_steps", "null"}}).stop.env_steps,
            std::nullopt);
}

TEST(ExperimentOverrides, AreNamedInErrors) {
  EXPECT_EQ(ErrorOf("", {{"workers.actor.count", "many"}}),
            "--set workers.actor.count: expected an integer from 1 to 1024, got \"many\"");
  EXPECT_EQ(ErrorOf("", {{"workers.actor", "{cuont: 1}"}}),
            "--set workers.actor: workers.actor.cuont: expected a key of workers.actor, got "
            "\"cuont\"; did you mean \"count\"?");
  EXPECT_EQ(ErrorOf("", {{"seed", "[1"}}).substr(0, 27), "--set seed: expected YAML, ");
  EXPECT_EQ(ErrorOf("", {{"algorithm.type.x", "1"}}),
            "--set algorithm.type.x: expected a map above \"x\", got \"ppo\"");
  EXPECT_THAT(ErrorOf("", {{"a..b", "1"}}), HasSubstr("expected a dotted key"));
}

TEST(ExperimentDump, RoundTrips) {
  const ExperimentConfig config = Parsed(R"(
name: "007"
seed: 42
stop: {env_steps: 1e6, episode_return: -0.1, wall_seconds: 3.5}
policies:
  right: {init_from: other-run@12}
  left: {model: {type: lstm, hidden: [64], lstm_size: 32, label: "5", filters: [[32, 8, 4], [6]]}}
agents: [{match: "a\\d \"x\"", policy: left}, {match: .*, policy: right}]
workers:
  actor: {count: 3, environments: 8, groups: 4, inference: inline}
  policy: {max_delay_us: 50, device: "cuda:1"}
  trainer: {count: 2, batch_env_steps: 512, unroll: 16, max_policy_lag: 2, sample_reuse: 3}
  scale: 2
streams: {sample: {transport: zmq, when_full: wait}, weight: {transport: grpc}}
cluster: {controller_port: 5055}
hardware:
  hosts: 2
  memory: [{name: hbm, gigabytes: 80, gigabytes_per_second: 2e3}, {name: "7", gigabytes: 512, gigabytes_per_second: 200}]
  host_gigabytes_per_second: 100
  network_gigabytes_per_second: 12.5
  teraflops: 10
report:
  statistics: [hidden_fraction]
  stages: [{name: chase, below: {hidden_fraction: 0.5}}, {name: "2", above: {a: 0.25, b: -1}}]
plugins: [libmine.so, /opt/libother.so]
)");
  const std::string dump = DumpExperiment(config);
  const auto again = ParseExperiment(dump, "elsewhere/config.yaml");
  ASSERT_TRUE(again.ok()) << again.status().message() << "\n" << dump;
  EXPECT_EQ(DumpExperiment(*again), dump);
  EXPECT_EQ(ConfigHash(*again), ConfigHash(config));
  EXPECT_EQ(ConfigHash(config).size(), 8u);
  EXPECT_EQ(again->name, "007");
  EXPECT_EQ(again->agents[0].match, "a\\d \"x\"");
  EXPECT_EQ(again->trainer.count, 4);
  EXPECT_EQ(again->trainer.sample_reuse, 3);
  EXPECT_EQ(again->cluster.controller_port, 5055);
  EXPECT_EQ(again->hardware.memory.at(1).name, "7");
  EXPECT_EQ(again->hardware.network_gigabytes_per_second, 12.5);
  EXPECT_EQ(again->report.statistics, std::vector<std::string>{"hidden_fraction"});
  EXPECT_EQ(again->report.stages.at(0).below.at("hidden_fraction"), 0.5);
  EXPECT_EQ(again->report.stages.at(1).name, "2");
  EXPECT_EQ(again->report.stages.at(1).above,
            (std::map<std::string, double>{{"a", 0.25}, {"b", -1}}));
  EXPECT_TRUE(again->policies[0].model.options.values().at("label").quoted);
  EXPECT_EQ(again->policies[0].model.options.GetDoubleLists("filters", {}),
            (std::vector<std::vector<double>>{{32, 8, 4}, {6}}));
  EXPECT_EQ(again->plugins, config.plugins);
  EXPECT_NE(ConfigHash(Parsed("seed: 2\n")), ConfigHash(Parsed("seed: 3\n")));
  EXPECT_NE(ConfigHash(Parsed("deterministic: true\n")), ConfigHash(Parsed("")));
}

TEST(LoadExperiment, TakesPluginsRelativeToTheFile) {
  const auto folder = std::filesystem::path(::testing::TempDir()) /
                      ("millrace_experiment_test." + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "b.yaml") << kShortest << "plugins: [sub/libmine.so]\n";
  const auto config = LoadExperiment(folder / "b.yaml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->name, "b");
  EXPECT_EQ(config->plugins, std::vector<std::string>{(folder / "sub/libmine.so").string()});
  std::filesystem::remove_all(folder);
}

TEST(LoadExperiment, WithoutAFileIsNotFound) {
  EXPECT_EQ(LoadExperiment("no/such.yaml").status().code(), absl::StatusCode::kNotFound);
}

TEST(League, IsReadCheckedAndDumped) {
  const std::string yaml =
      "environment: {type: x}\nalgorithm: {type: ppo}\n"
      "policies: {default: {league: {every_versions: 50, opponents: 3, share: 0.5, teams: [a, "
      "\"b.*\"]}}}\n";
  const auto config = ParseExperiment(yaml, "f.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(config->policies[0].league.has_value());
  EXPECT_EQ(config->policies[0].league->every_versions, 50u);
  EXPECT_EQ(config->policies[0].league->teams, (std::vector<std::string>{"a", "b.*"}));
  const auto again = ParseExperiment(DumpExperiment(*config), "dump.yaml");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(DumpExperiment(*again), DumpExperiment(*config));
  EXPECT_FALSE(ParseExperiment("environment: {type: x}\nalgorithm: {type: ppo}\n", "f.yaml")
                   ->policies[0]
                   .league.has_value());

  const auto message = [](const std::string& league) {
    return std::string(ParseExperiment("environment: {type: x}\nalgorithm: {type: ppo}\n"
                                       "policies: {default: {league: " +
                                           league + "}}\n",
                                       "f.yaml")
                           .status()
                           .message());
  };
  EXPECT_EQ(message("{share: 0.1}"),
            "f.yaml: policies.default.league.every_versions: expected an integer of at least 1, "
            "got 0 or nothing");
  EXPECT_EQ(
      message("{every_versions: 5, opponents: 16}"),
      "f.yaml:3: policies.default.league.opponents: expected an integer from 1 to 15, got \"16\"");
  EXPECT_EQ(message("{every_versions: 5, teams: [\"(\"]}"),
            "f.yaml:3: policies.default.league.teams[0]: expected a regular expression of at most "
            "256 characters, got \"(\"");
}

}  // namespace
}  // namespace millrace
