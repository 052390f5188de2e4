#include "cli/torch/embedding_bench.h"

#include <spdlog/fmt/fmt.h>

#include "cli/torch/shared_embedding_arms.h"
#include "embedding/embedding_kernels.h"
#include "millrace/core/status.h"
#include "millrace/models/torch.h"

namespace millrace {
namespace {

// An arm against another, in millions of ids a second.
BenchRow Compare(const EmbeddingBenchOptions& options, const std::string& name,
                 const std::vector<double>& seconds, const std::string& rival,
                 const std::vector<double>& rival_seconds) {
  const double ids = 1e-6 * options.tables * options.samples * options.bag;
  BenchRow row;
  row.name = name;
  row.unit = "M ids/s";
  row.baseline = rival;
  row.baseline_value = ids / Median(rival_seconds);
  std::vector<double> ratios;
  for (size_t round = 0; round < seconds.size(); ++round) {
    row.samples.push_back(ids / seconds[round]);
    ratios.push_back(rival_seconds[round] / seconds[round]);
  }
  row.value = Median(row.samples);
  row.pair_ratio = Median(ratios);
  return row;
}

// The first arm against each of the others.
void Tabulate(const EmbeddingBenchOptions& options, const std::string& name,
              const std::vector<BenchArm>& arms, std::vector<BenchRow>& table) {
  const auto seconds = Interleave(arms, options.rounds, options.threads == 1).seconds;
  for (size_t rival = 1; rival < arms.size(); ++rival) {
    table.push_back(Compare(options, name, seconds[0], arms[rival].name, seconds[rival]));
  }
}

// Each of the other arms against the first.
void TabulateShared(const EmbeddingBenchOptions& options, const std::string& name,
                    const std::vector<BenchArm>& arms, std::vector<BenchRow>& table) {
  const auto seconds = Interleave(arms, options.rounds, /*one_thread=*/false).seconds;
  for (size_t arm = 1; arm < arms.size(); ++arm) {
    table.push_back(
        Compare(options, name + "/" + arms[arm].name, seconds[arm], "one rank", seconds[0]));
  }
}

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunEmbeddingBench(const EmbeddingBenchOptions& options) {
  for (const int columns : options.columns) {
    if (columns > 0 && columns <= embedding::kMaxColumns) continue;
    return absl::InvalidArgumentError(
        fmt::format("--dim: expected 1 to {}, got {}", embedding::kMaxColumns, columns));
  }
  at::set_num_threads(options.threads);
  std::vector<BenchRow> table;
  for (const int columns : options.columns) {
    for (const auto& [name, distribution] :
         {std::pair{"uniform", IdDistribution::kUniform}, {"zipf", IdDistribution::kZipf}}) {
      if (options.ranks > 1) {
        MILLRACE_ASSIGN_OR_RETURN(const auto arms, SharedStepArms(options, columns, distribution));
        TabulateShared(options, fmt::format("embedding/shared_step/D{}/{}", columns, name), arms,
                       table);
        continue;
      }
      {
        MILLRACE_ASSIGN_OR_RETURN(const auto arms, ForwardArms(options, columns, distribution));
        Tabulate(options, fmt::format("embedding/forward/D{}/{}", columns, name), arms, table);
      }
      MILLRACE_ASSIGN_OR_RETURN(const auto arms, StepArms(options, columns, distribution));
      Tabulate(options, fmt::format("embedding/step/D{}/{}", columns, name), arms, table);
    }
  }
  return table;
}

}  // namespace millrace
