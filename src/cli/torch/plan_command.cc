#include "cli/torch/plan_command.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "backends/dlrm/dlrm_backend.h"
#include "cli/common/bench_row.h"
#include "cli/torch/sample_tensors.h"
#include "cli/torch/table_costs.h"
#include "cli/torch/table_ranks.h"
#include "core/deadline.h"
#include "launcher/process_usage.h"
#include "millrace/core/status.h"
#include "models/guarded_torch.h"
#include "workers/trainer/learner.h"

namespace millrace {
namespace {

using embedding::PlacedShard;
using embedding::PredictedStep;
using embedding::RankLoad;
using embedding::TableOptions;
using embedding::TablePlan;

constexpr size_t kMostLines = 48;  // of a table that is printed
constexpr int kDenseRounds = 12;
constexpr int64_t kWireNumbers = 1024;

// "1.5 G" of 1.5e9.
std::string Short(double number) {
  const char* const prefixes[] = {"", " k", " M", " G", " T", " P"};
  size_t prefix = 0;
  for (; number >= 1000 && prefix + 1 < std::size(prefixes); ++prefix) number /= 1000;
  return fmt::format("{:.3g}{}", number, prefixes[prefix]);
}
std::string Short(int64_t number) { return Short(static_cast<double>(number)); }

std::string Milliseconds(double seconds) { return fmt::format("{:.3f}", seconds * 1e3); }

// What an experiment says.
struct Model {
  const ExperimentConfig& config;
  Learner learner = {};
  DlrmBackend* backend = nullptr;  // the learner's
  std::unique_ptr<Dataset> dataset = nullptr;
  int64_t minibatch = 0;
  std::vector<TableOptions> tables = {};
};

absl::StatusOr<Model> LoadModel(const PlanArguments& arguments, const ExperimentConfig& config,
                                const TorchRegistry& registry) {
  Model model{.config = config};
  MILLRACE_ASSIGN_OR_RETURN(const AgentAssignment assignment, AssignAgents(registry, config));
  MILLRACE_ASSIGN_OR_RETURN(model.learner,
                            MakeLearner(registry, config, 0, assignment.policies.front()));
  model.backend = dynamic_cast<DlrmBackend*>(model.learner.backend.get());
  if (model.backend == nullptr || !config.reads_dataset()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected an experiment with a dataset and the model dlrm, whose embedding "
                    "tables are planned; `millrace tune` finds counts for others",
                    arguments.file));
  }
  MILLRACE_ASSIGN_OR_RETURN(model.dataset,
                            registry.MakeDataset(config.dataset.type, config.dataset.options,
                                                 DatasetSplit::kTrain, config.dataset.where));
  model.minibatch =
      model.learner.algorithm->Plan(/*progress=*/0).MinibatchOf(config.trainer.batch_env_steps);
  model.tables = model.backend->tables();
  return model;
}

// Of a rank's part of a step, without tables.
absl::StatusOr<double> DenseSeconds(Model& model) {
  const int ranks = model.config.trainer.count;
  const int64_t samples = std::max<int64_t>(1, model.minibatch / ranks);
  const HardwareConfig& hardware = model.config.hardware;
  if (hardware.hosts > 0) {
    // Two operations for each parameter and sample, and twice as many backward; gradients are sent
    // once and their sum received.
    const auto parameters = static_cast<double>(model.backend->layout().num_trainable());
    return 6 * parameters * static_cast<double>(samples) / (hardware.teraflops * 1e12) +
           2 * 4 * parameters / (hardware.network_gigabytes_per_second * 1e9);
  }
  TablePolicy& policy = model.backend->policy();
  MILLRACE_ASSIGN_OR_RETURN(const auto read, SampleTensors::Read(*model.dataset, 0, samples));
  TensorDict minibatch = read.tensors();
  minibatch[TablePolicy::kBags] =
      torch::rand({samples, std::ssize(policy.features()), policy.columns()}).requires_grad_(true);
  std::vector<double> seconds;
  for (int round = 0; round < kDenseRounds; ++round) {
    const auto since = Clock::now();
    policy.Forward(minibatch, {}, {}).logits.mean().backward();
    seconds.push_back(SecondsSince(since));
  }
  return Median(seconds);
}

void PrintTables(const Model& model, const SampledLookups& sampled, const TablePlan& plan) {
  std::printf("%-20s %10s %8s %9s %10s  %-10s %s\n", "table", "rows", "columns", "ids", "bytes",
              "cut into", "trainers");
  for (size_t t = 0; t < model.tables.size(); ++t) {
    const TableOptions& table = model.tables[t];
    if (t == kMostLines) {
      std::printf("... and %zu more\n", model.tables.size() - t);
      break;
    }
    int64_t parts = 0, row_parts = 0;
    std::string ranks;
    for (const PlacedShard& placed : plan.shards) {
      if (placed.table != static_cast<int>(t)) continue;
      row_parts += placed.shard.first_column == 0 ? 1 : 0;
      if (parts++ < 6) ranks += fmt::format(" {}", placed.rank);
    }
    if (parts > 6) ranks += " ...";
    std::printf("%-20s %10s %8lld %9.2f %10s  %-10s%s\n", table.name.c_str(),
                Short(table.rows).c_str(), static_cast<long long>(table.columns),
                sampled.lookups[t], Short(SlabBytes(table, embedding::Shard::Whole(table))).c_str(),
                fmt::format("{} x {}", row_parts, parts / row_parts).c_str(), ranks.c_str());
  }
}

void PrintRank(const std::string& name, const RankLoad& rank) {
  std::printf("%-20s %6d", name.c_str(), rank.shards);
  for (const int64_t bytes : rank.tier_bytes) std::printf(" %9s", Short(bytes).c_str());
  for (const double seconds :
       {rank.ids, rank.forward, rank.bags, rank.gradients, rank.update, rank.seconds()}) {
    std::printf(" %9s", Milliseconds(seconds).c_str());
  }
  std::printf("\n");
}

void PrintRanks(const PredictedStep& step, const embedding::PlannerOptions& options) {
  std::printf("\n%-20s %6s", "trainer", "shards");
  for (const auto& tier : options.tiers) std::printf(" %9s", tier.name.c_str());
  for (const char* part : {"ids ms", "rows", "bags", "gradients", "update", "all"}) {
    std::printf(" %9s", part);
  }
  std::printf("\n");
  if (step.ranks.size() <= kMostLines) {
    for (size_t r = 0; r < step.ranks.size(); ++r) PrintRank(std::to_string(r), step.ranks[r]);
  } else {
    const auto [least, most] = std::ranges::minmax_element(
        step.ranks, {}, [](const auto& rank) { return rank.seconds(); });
    PrintRank(fmt::format("{} (least)", least - step.ranks.begin()), *least);
    PrintRank(fmt::format("{} (most)", most - step.ranks.begin()), *most);
  }
  std::printf("%-20s %6s", "room of each", "");
  for (const auto& tier : options.tiers) std::printf(" %9s", Short(tier.bytes).c_str());
  std::printf("\n");
}

// A way to share the tables, as it is predicted and, with rounds, measured: of as many samples as
// were drawn.
struct Candidate {
  std::string name;
  TablePlan plan = {};
  double predicted = 0, measured = 0;  // seconds of a step on tables
};

absl::StatusOr<std::vector<Candidate>> Candidates(const Model& model, const SampledLookups& sampled,
                                                  const StepCosts& costs, const TablePlan& plan,
                                                  bool measured) {
  std::vector<Candidate> candidates = {{.name = "planned", .plan = plan}, {.name = "round_robin"}};
  for (int t = 0; t < static_cast<int>(model.tables.size()); ++t) {
    const int rank = t % costs.options.ranks;
    AddTable(t, model.tables[static_cast<size_t>(t)], 1, 1, {&rank, 1}, candidates.back().plan);
  }
  for (const Sharding sharding :
       {Sharding::kTableWise, Sharding::kRowWise, Sharding::kColumnWise}) {
    MILLRACE_ASSIGN_OR_RETURN(
        auto other, MakeTablePlan(sharding, model.tables, sampled.lookups, costs.options.ranks));
    candidates.push_back(
        {.name = kShardings[static_cast<size_t>(sharding)], .plan = std::move(other)});
  }
  embedding::PlannerOptions options = costs.options;
  if (measured) options.samples = sampled.samples;
  for (Candidate& candidate : candidates) {
    candidate.predicted = PredictStep(candidate.plan, costs.loads, options).seconds;
  }
  return candidates;
}

// Steps of all candidates in turns.
absl::Status Measure(const Model& model, const SampledLookups& sampled, int rounds,
                     std::vector<Candidate>& candidates) {
  const int ranks = model.config.trainer.count;
  int64_t bytes = 0;
  for (const TableOptions& table : model.tables) {
    bytes += SlabBytes(table, embedding::Shard::Whole(table)) * std::ssize(candidates);
  }
  if (bytes > MemoryBytes() / 2) {
    return absl::ResourceExhaustedError(
        fmt::format("--measure: {} plans have tables of {}B together, more than half of this "
                    "machine's memory",
                    candidates.size(), Short(bytes)));
  }
  std::vector<std::unique_ptr<TableRanks>> groups;
  for (const Candidate& candidate : candidates) {
    MILLRACE_ASSIGN_OR_RETURN(auto group,
                              TableRanks::Create({.tables = model.tables,
                                                  .features = model.backend->features(),
                                                  .plan = candidate.plan,
                                                  .ranks = ranks},
                                                 sampled.batches, OverSharedMemory(ranks)));
    groups.push_back(std::move(group));
  }
  std::vector<std::vector<double>> seconds(candidates.size());
  for (int round = -1; round < rounds; ++round) {  // the first to warm up
    for (size_t c = 0; c < candidates.size(); ++c) {
      MILLRACE_ASSIGN_OR_RETURN(const auto step, groups[c]->Step());
      if (round >= 0) seconds[c].push_back(step.total());
    }
  }
  for (size_t c = 0; c < candidates.size(); ++c) candidates[c].measured = Median(seconds[c]);
  return absl::OkStatus();
}

void PrintCandidates(const std::vector<Candidate>& candidates, bool measured, int64_t samples) {
  if (measured) std::printf("\nsteps of %lld samples:", static_cast<long long>(samples));
  std::printf("\n%-20s %12s", "tables shared", "predicted ms");
  std::printf(measured ? " %12s %10s %12s\n" : "\n", "measured ms", "ratio", "to planned");
  for (const Candidate& candidate : candidates) {
    std::printf("%-20s %12s", candidate.name.c_str(), Milliseconds(candidate.predicted).c_str());
    if (measured) {
      std::printf(" %12s %10.2f %12.2f", Milliseconds(candidate.measured).c_str(),
                  candidate.predicted / candidate.measured,
                  candidate.measured / candidates.front().measured);
    }
    std::printf("\n");
  }
}

nlohmann::json ToJson(const Model& model, const PredictedStep& step, double dense,
                      const std::vector<Candidate>& candidates) {
  nlohmann::json json = {{"trainers", step.ranks.size()},        {"samples", model.minibatch},
                         {"table_seconds", step.seconds},        {"dense_seconds", dense},
                         {"step_seconds", step.seconds + dense}, {"imbalance", step.imbalance}};
  for (const RankLoad& rank : step.ranks) {
    json["ranks"].push_back(
        {{"shards", rank.shards}, {"tier_bytes", rank.tier_bytes}, {"seconds", rank.seconds()}});
  }
  for (const Candidate& candidate : candidates) {
    nlohmann::json& entry = json["plans"][candidate.name];
    entry["predicted_seconds"] = candidate.predicted;
    if (candidate.measured > 0) entry["measured_seconds"] = candidate.measured;
  }
  return json;
}

void Print(const PlanArguments& arguments, const Model& model, const SampledLookups& sampled,
           const StepCosts& costs, const PredictedStep& step, const TablePlan& plan, double dense,
           const std::vector<Candidate>& candidates) {
  int64_t bytes = 0, parameters = static_cast<int64_t>(model.backend->layout().num_trainable());
  for (const TableOptions& table : model.tables) {
    bytes += SlabBytes(table, embedding::Shard::Whole(table));
    parameters += table.rows * table.columns;
  }
  const HardwareConfig& hardware = model.config.hardware;
  std::printf("%s: %s parameters, tables of %sB; steps of %lld samples by %d trainers, on %s\n\n",
              arguments.file.c_str(), Short(parameters).c_str(), Short(bytes).c_str(),
              static_cast<long long>(model.minibatch), costs.options.ranks,
              hardware.hosts > 0
                  ? fmt::format("{} hosts as the file describes them", hardware.hosts).c_str()
                  : "this machine, as measured");
  PrintTables(model, sampled, plan);
  PrintRanks(step, costs.options);
  PrintCandidates(candidates, arguments.rounds > 0, sampled.samples);
  std::printf(
      "\npredicted: a step of %s ms, %s of tables and %s of dense layers; %s samples a second; the "
      "busiest trainer has %.3f times the mean\n",
      Milliseconds(step.seconds + dense).c_str(), Milliseconds(step.seconds).c_str(),
      Milliseconds(dense).c_str(),
      Short(static_cast<double>(model.minibatch) / (step.seconds + dense)).c_str(), step.imbalance);
}

absl::Status Plan(const PlanArguments& arguments, const ExperimentConfig& config,
                  const TorchRegistry& registry) {
  MILLRACE_ASSIGN_OR_RETURN(Model model, LoadModel(arguments, config, registry));
  const int ranks = model.config.trainer.count;
  at::set_num_threads(model.config.trainer.threads);
  MILLRACE_ASSIGN_OR_RETURN(
      const auto sampled, SampleLookups(*model.dataset, model.backend->policy(), model.minibatch));
  const bool here = model.config.hardware.hosts == 0;
  if (!here && arguments.rounds > 0) {
    return absl::InvalidArgumentError(
        fmt::format("{}: --measure: expected this machine, got other hardware",
                    model.config.Subject("hardware.hosts")));
  }
  if (here && ranks > static_cast<int>(AvailableCores())) {
    std::fprintf(stderr, "%d trainers share %d cores: steps take longer than predicted\n", ranks,
                 static_cast<int>(AvailableCores()));
  }
  MILLRACE_ASSIGN_OR_RETURN(
      StepCosts costs,
      here ? MeasureCosts(model.tables, sampled, ranks, model.config.trainer.threads,
                          model.minibatch)
           : CostsOf(model.config.hardware, model.tables, sampled, ranks, model.minibatch));
  costs.options.wire_bytes =
      static_cast<double>(embedding::WireBytes(model.backend->settings().bags, kWireNumbers)) /
      kWireNumbers;
  MILLRACE_ASSIGN_OR_RETURN(const TablePlan plan, PlanTables(costs.loads, costs.options));
  const PredictedStep step = PredictStep(plan, costs.loads, costs.options);
  MILLRACE_ASSIGN_OR_RETURN(const double dense, DenseSeconds(model));
  MILLRACE_ASSIGN_OR_RETURN(auto candidates,
                            Candidates(model, sampled, costs, plan, arguments.rounds > 0));
  if (arguments.rounds > 0) {
    MILLRACE_RETURN_IF_ERROR(Measure(model, sampled, arguments.rounds, candidates));
  }
  if (!arguments.output.empty()) {
    MILLRACE_RETURN_IF_ERROR(WriteTablePlan(plan, model.tables, ranks, arguments.output));
  }
  const nlohmann::json json = ToJson(model, step, dense, candidates);
  if (arguments.json == "-") {
    std::printf("%s\n", json.dump().c_str());
    return absl::OkStatus();
  }
  Print(arguments, model, sampled, costs, step, plan, dense, candidates);
  if (!arguments.output.empty()) {
    std::printf("written to %s, for backend.plan_file\n", arguments.output.c_str());
  }
  if (arguments.json.empty()) return absl::OkStatus();
  std::ofstream stream(arguments.json);
  stream << json.dump(2) << "\n";
  return stream ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write " + arguments.json);
}

}  // namespace

absl::Status RunPlan(const PlanArguments& arguments, const ExperimentConfig& config,
                     const TorchRegistry& registry) {
  return GuardedTorch("plan", [&] { return Plan(arguments, config, registry); });
}

}  // namespace millrace
