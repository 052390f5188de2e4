#include "cli/torch/torch_main.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/common/evaluate_command.h"
#include "cli/common/exit_code.h"
#include "cli/common/league_command.h"
#include "cli/common/play_command.h"
#include "cli/common/worker_main.h"
#include "cli/torch/collectives_bench.h"
#include "cli/torch/dataset_eval.h"
#include "cli/torch/embedding_bench.h"
#include "cli/torch/inference_bench.h"
#include "cli/torch/nm_sparse_bench.h"
#include "cli/torch/plan_command.h"
#include "cli/torch/single_process_ppo.h"
#include "cli/torch/training_bench.h"
#include "core/log.h"
#include "inference/sparsity.h"
#include "millrace/core/status.h"
#include "models/guarded_torch.h"
#include "models/table_policy.h"
#include "models/torch_device.h"
#include "models/torch_inference_model.h"
#include "registry/torch_plugin_loader.h"
#include "workers/actor/actor_worker.h"
#include "workers/common/agent_assignment.h"
#include "workers/policy/policy_worker.h"
#include "workers/trainer/learner.h"
#include "workers/trainer/trainer_worker.h"

namespace millrace {
namespace {

absl::Status LoadPlugins(const std::vector<std::string>& paths, const std::string& where,
                         TorchRegistry& registry) {
  for (const std::string& path : paths) {
    MILLRACE_RETURN_IF_ERROR(LoadTorchPlugin(path, registry, where));
  }
  return registry.status();
}

absl::Status LoadPlugins(const ExperimentConfig& config, TorchRegistry& registry) {
  return LoadPlugins(config.plugins, config.Subject("plugins"), registry);
}

// Built-in models act natively on the CPU, where that is fastest; a user's own module, and every
// model on another device, acts through LibTorch.
InferenceModelFactory ModelFactoryFor(const TorchRegistry& registry, const std::string& device) {
  return [&registry, device](
             const PolicyConfig& policy,
             const PolicyAgents& agents) -> absl::StatusOr<std::unique_ptr<InferenceModel>> {
    const bool builtin = ModelSpec::IsBuiltinType(policy.model.type);
    const bool sparse = policy.backend.type == Sparsity::kBackend;  // on the CPU alone
    if (sparse || (builtin && (device == "auto" || device == "cpu"))) {
      return MakeNativeInferenceModel(policy, agents);
    }
    MILLRACE_ASSIGN_OR_RETURN(
        auto module, registry.MakeModel(policy.model.type, policy.model.options, agents.observation,
                                        agents.action, /*seed=*/0, policy.model.where));
    // Tables are looked up on the CPU.
    const bool has_tables = dynamic_cast<const TablePolicy*>(module.get()) != nullptr;
    MILLRACE_ASSIGN_OR_RETURN(const torch::Device where, FindDevice(has_tables ? "cpu" : device));
    module->to(where);
    return MakeTorchInferenceModel(std::move(module), agents.observation, agents.action);
  };
}

absl::Status RunWorker(WorkerProcess& process, TorchRegistry& registry) {
  MILLRACE_RETURN_IF_ERROR(LoadPlugins(process.config(), registry));
  const std::string& role = process.arguments().role;
  const ExperimentConfig& config = process.config();
  if (role == "trainer") {
    return RunTrainerWorker(process, registry, ModelFactoryFor(registry, config.trainer.device));
  }
  at::set_num_threads(1);
  if (role == "policy") {
    return RunPolicyWorker(process, registry,
                           ModelFactoryFor(registry, config.policy_worker.device));
  }
  return RunActorWorker(process, registry, ModelFactoryFor(registry, "cpu"));
}

// Model, algorithm and backend of every policy can be made and go together.
absl::Status Validate(const std::string& file, const std::vector<std::string>& set,
                      TorchRegistry& registry) {
  MILLRACE_ASSIGN_OR_RETURN(const auto overrides, ParseOverrides(set));
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig config, LoadExperiment(file, overrides));
  MILLRACE_RETURN_IF_ERROR(LoadPlugins(config, registry));
  MILLRACE_ASSIGN_OR_RETURN(const AgentAssignment assignment, AssignAgents(registry, config));
  for (size_t p = 0; p < config.policies.size(); ++p) {
    MILLRACE_RETURN_IF_ERROR(MakeLearner(registry, config, p, assignment.policies[p]).status());
  }
  return absl::OkStatus();
}

absl::Status List(const std::string& what, const std::vector<std::string>& plugins,
                  TorchRegistry& registry) {
  MILLRACE_RETURN_IF_ERROR(LoadPlugins(plugins, "--plugin", registry));
  const auto entries = what == "algorithms" ? registry.algorithms()
                       : what == "models"   ? registry.models()
                                            : registry.backends();
  for (const auto& entry : entries)
    std::printf("%-22s %s\n", entry.name.c_str(), entry.line.c_str());
  return absl::OkStatus();
}

absl::Status MakePlan(const PlanArguments& arguments, TorchRegistry& registry) {
  MILLRACE_ASSIGN_OR_RETURN(auto overrides, ParseOverrides(arguments.set));
  if (arguments.trainers > 0) {
    overrides.push_back({"workers.scale", "1"});
    overrides.push_back({"workers.trainer.count", std::to_string(arguments.trainers)});
  }
  MILLRACE_ASSIGN_OR_RETURN(const auto config, LoadExperiment(arguments.file, overrides));
  MILLRACE_RETURN_IF_ERROR(LoadPlugins(config, registry));
  return RunPlan(arguments, config, registry);
}

absl::Status BenchSingleProcess(const std::string& file, const std::vector<std::string>& set,
                                const std::string& json) {
  MILLRACE_ASSIGN_OR_RETURN(const auto overrides, ParseOverrides(set));
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig config, LoadExperiment(file, overrides));
  const auto figures = TrainInOneProcess(config);
  nlohmann::json out;
  if (absl::IsUnimplemented(figures.status())) {
    out["unsupported"] = std::string(figures.status().message());
  } else if (figures.ok()) {
    out = {{"env_steps", figures->env_steps},
           {"seconds", figures->seconds},
           {"cpu_seconds", figures->cpu_seconds},
           {"env_steps_to_goal", nullptr}};
    if (figures->env_steps_to_goal) out["env_steps_to_goal"] = *figures->env_steps_to_goal;
  } else {
    return figures.status();
  }
  if (json == "-") {
    std::printf("%s\n", out.dump().c_str());
    return absl::OkStatus();
  }
  std::ofstream stream(json);
  stream << out << "\n";
  return stream ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write " + json);
}

absl::Status Print(const absl::StatusOr<std::vector<BenchRow>>& rows, const std::string& json) {
  return rows.ok() ? PrintBench(*rows, json) : rows.status();
}

template <typename Arguments>
using EvaluateBody = absl::Status (*)(const Arguments&, const ExperimentConfig&, const RunPaths&,
                                      const Registry&, const InferenceModelFactory&);

template <typename Arguments>
absl::Status RunEvaluation(const Arguments& arguments, TorchRegistry& registry,
                           EvaluateBody<Arguments> body) {
  const RunPaths paths(arguments.run);
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig config, LoadExperiment(paths.config()));
  MILLRACE_RETURN_IF_ERROR(LoadPlugins(config, registry));
  if (config.reads_dataset()) {
    if constexpr (std::is_same_v<Arguments, EvalArguments>) {
      return RunDatasetEval(arguments, config, paths, registry);
    } else {
      return absl::InvalidArgumentError(
          fmt::format("{}: expected a run with an environment, got one that reads dataset \"{}\"",
                      arguments.run, config.dataset.type));
    }
  }
  return body(arguments, config, paths, registry, ModelFactoryFor(registry, "cpu"));
}

int RunCommandLine(int argc, char** argv, TorchRegistry& registry) {
  const absl::Status log = InitLogging({.name = "millrace", .level = "warning", .file = {}});
  if (!log.ok()) return Fail(log);
  CLI::App app("The part of Millrace that needs LibTorch; called by `millrace`.");
  app.require_subcommand(1);
  app.footer("Workers: millrace-torch trainer 0 --run-dir DIR --incarnation 0");
  int exit_code = kExitOk;
  const auto finish = [&exit_code](const absl::Status& status) {
    exit_code = status.ok() ? kExitOk : Fail(status);
  };
  std::string file, what;
  std::vector<std::string> set, plugins;
  auto* validate =
      app.add_subcommand("validate", "Checks models, algorithm and backend of an experiment.");
  validate->add_option("file", file)->required();
  validate->add_option("--set", set)->allow_extra_args(false);
  validate->callback([&] { finish(Validate(file, set, registry)); });
  auto* list = app.add_subcommand("list", "algorithms, models or backends");
  list->add_option("what", what)
      ->required()
      ->check(CLI::IsMember({"algorithms", "models", "backends"}));
  list->add_option("--plugin", plugins);
  list->callback([&] { finish(List(what, plugins, registry)); });
  PlanArguments plan_arguments;
  auto* plan = app.add_subcommand("plan", "as `millrace`");
  AddOptions(*plan, plan_arguments);
  plan->callback([&] { finish(MakePlan(plan_arguments, registry)); });
  std::string json = "-";
  auto* bench = app.add_subcommand(
      "bench-single-process", "PPO in one process and one thread: the floor of `millrace bench`.");
  bench->add_option("file", file)->required();
  bench->add_option("--set", set)->allow_extra_args(false);
  bench->add_option("--json", json)->capture_default_str();
  bench->callback([&] { finish(BenchSingleProcess(file, set, json)); });
  ModelBenchOptions inference = kInferenceBench, training = kTrainingBench;
  std::string table;
  const auto add_model_bench = [&](const char* name, const char* sizes, ModelBenchOptions& options,
                                   auto run) {
    auto* command = app.add_subcommand(name, "as `millrace bench`");
    command->add_option("--model", options.models)->allow_extra_args(false);
    command->add_option(sizes, options.sizes)->allow_extra_args(false);
    command->add_option("--device", options.device);
    command->add_option("--json", table);
    command->callback([&finish, &table, &options, run] { finish(Print(run(options), table)); });
  };
  add_model_bench("bench-inference", "--batch", inference, &RunInferenceBench);
  add_model_bench("bench-training", "--minibatch", training, &RunTrainingBench);
  NmSparseBenchOptions nm_sparse;
  auto* bench_nm_sparse = app.add_subcommand("bench-nm_sparse", "as `millrace bench`");
  bench_nm_sparse->add_option("--width", nm_sparse.widths);
  bench_nm_sparse->add_option("--pattern", nm_sparse.patterns);
  bench_nm_sparse->add_option("--batch", nm_sparse.batch);
  bench_nm_sparse->add_option("--rounds", nm_sparse.rounds)->check(CLI::PositiveNumber);
  bench_nm_sparse->add_option("--threads", nm_sparse.threads)->check(CLI::PositiveNumber);
  bench_nm_sparse->add_option("--device", nm_sparse.device);
  bench_nm_sparse->add_option("--json", table);
  bench_nm_sparse->callback([&] {
    const auto rows = GuardedTorch("bench nm_sparse", [&] { return RunNmSparseBench(nm_sparse); });
    finish(Print(rows, table));
    if (rows.ok() && table != "-") std::printf("%s", NmSparseNotes(*rows).c_str());
  });
  EmbeddingBenchOptions embedding;
  auto* bench_embedding = app.add_subcommand("bench-embedding", "as `millrace bench`");
  bench_embedding->add_option("--dim", embedding.columns);
  for (const auto& [name, value] : {std::pair{"--tables", &embedding.tables},
                                    {"--batch", &embedding.samples},
                                    {"--bag", &embedding.bag},
                                    {"--rounds", &embedding.rounds},
                                    {"--threads", &embedding.threads},
                                    {"--ranks", &embedding.ranks}}) {
    bench_embedding->add_option(name, *value)->check(CLI::PositiveNumber);
  }
  bench_embedding->add_option("--rows", embedding.rows)->check(CLI::PositiveNumber);
  bench_embedding->add_option("--json", table);
  bench_embedding->callback([&] {
    finish(Print(GuardedTorch("bench embedding", [&] { return RunEmbeddingBench(embedding); }),
                 table));
  });
  CollectivesBenchOptions collectives;
  auto* bench_collectives = app.add_subcommand("bench-collectives", "as `millrace bench`");
  bench_collectives->add_option("--bytes", collectives.bytes);
  bench_collectives->add_option("--ranks", collectives.ranks)->check(CLI::Range(2, 64));
  bench_collectives->add_option("--rounds", collectives.rounds)->check(CLI::PositiveNumber);
  bench_collectives->add_option("--json", table);
  bench_collectives->callback([&] { finish(Print(RunCollectivesBench(collectives), table)); });
  EvalArguments eval_arguments;
  PlayArguments play_arguments;
  LeagueArguments league_arguments;
  const auto add_evaluation = [&](const char* name, auto& arguments, auto body) {
    auto* command = app.add_subcommand(name, "as `millrace`");
    AddOptions(*command, arguments);
    command->callback([&, body] { finish(RunEvaluation(arguments, registry, body)); });
  };
  add_evaluation("eval", eval_arguments, &RunEval);
  add_evaluation("play", play_arguments, &RunPlay);
  add_evaluation("league", league_arguments, &RunLeague);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUserMustEdit;
  }
  return exit_code;
}

}  // namespace

int TorchMain(int argc, char** argv, TorchRegistry registry) {
  const std::string first = argc > 1 ? argv[1] : "";
  // Actors are here only if they infer inline with a user's own module.
  if (first == "trainer" || first == "policy" || first == "actor") {
    return RunWorkerMain(argc, argv,
                         [&](WorkerProcess& process) { return RunWorker(process, registry); });
  }
  return RunCommandLine(argc, argv, registry);
}

}  // namespace millrace
