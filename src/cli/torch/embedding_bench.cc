#include "cli/torch/embedding_bench.h"

#include <spdlog/fmt/fmt.h>

#include "cli/torch/shared_embedding_arms.h"
#include "embedding/embedding_kernels.h"
#include "millrace/core/status.h"
#include "millrace/models/torch.h"

namespace millrace {
namespace {

// The first arm against each of the others.
void Tabulate(const EmbeddingBenchOptions& options, const std::string& name,
              const std::vector<BenchArm>& arms, std::vector<BenchRow>& table) {
  const auto seconds = Interleave(arms, options.rounds, options.threads == 1).seconds;
  const double ids = 1e-6 * options.tables * options.samples * options.bag;
  std::vector<double> samples;
  for (const double s : seconds[0]) samples.push_back(ids / s);
  for (size_t rival = 1; rival < arms.size(); ++rival) {
    std::vector<double> ratios;
    for (size_t round = 0; round < samples.size(); ++round) {
      ratios.push_back(seconds[rival][round] / seconds[0][round]);
    }
    table.push_back({.name = name,
                     .unit = "M ids/s",
                     .value = Median(samples),
                     .baseline = arms[rival].name,
                     .baseline_value = ids / Median(seconds[rival]),
                     .samples = samples,
                     .pair_ratio = Median(ratios)});
  }
}

// Each of the other arms against the first.
void TabulateShared(const EmbeddingBenchOptions& options, const std::string& name,
                    const std::vector<BenchArm>& arms, std::vector<BenchRow>& table) {
  const auto seconds = Interleave(arms, options.rounds, /*one_thread=*/false).seconds;
  const double ids = 1e-6 * options.tables * options.samples * options.bag;
  for (size_t arm = 1; arm < arms.size(); ++arm) {
    BenchRow row = {.name = fmt::format("{}/{}", name, arms[arm].name),
                    .unit = "M ids/s",
                    .value = ids / Median(seconds[arm]),
                    .baseline = "one rank",
                    .baseline_value = ids / Median(seconds[0]),
                    .samples = {}};
    std::vector<double> ratios;
    for (size_t round = 0; round < seconds[arm].size(); ++round) {
      row.samples.push_back(ids / seconds[arm][round]);
      ratios.push_back(seconds[0][round] / seconds[arm][round]);
    }
    row.pair_ratio = Median(ratios);
    table.push_back(std::move(row));
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
