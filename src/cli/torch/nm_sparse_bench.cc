#include "cli/torch/nm_sparse_bench.h"

#include <spdlog/fmt/fmt.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "cli/torch/dense_arms.h"
#include "cli/torch/package_energy.h"
#include "cli/torch/sparse_arms.h"
#include "core/thread_team.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using sparse::kPanel;
using sparse::kTile;
using sparse::Precision;

// Of one thread its CPU time, which others on the machine disturb less.
double Seconds(bool one_thread) {
  timespec time;
  clock_gettime(one_thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Of every arm in every round, after one round to warm up: [arm][round]. Joules if they are known.
struct Measured {
  std::vector<std::vector<double>> seconds, joules;
};
Measured Interleave(const std::vector<BenchArm>& arms, int rounds, bool one_thread) {
  Measured measured{.seconds = std::vector<std::vector<double>>(arms.size()),
                    .joules = std::vector<std::vector<double>>(arms.size())};
  for (int round = -1; round < rounds; ++round) {
    for (size_t i = 0; i < arms.size(); ++i) {
      const auto joules = PackageJoules();
      const double begin = Seconds(one_thread);
      arms[i].run();
      if (round < 0) continue;
      measured.seconds[i].push_back(Seconds(one_thread) - begin);
      const auto after = PackageJoules();
      if (joules && after && *after > *joules) measured.joules[i].push_back(*after - *joules);
    }
  }
  return measured;
}

const char* NameOf(Precision precision) {
  return precision == Precision::kFloat32 ? "fp32" : "bf16";
}

// What one size of layer is measured with.
class Bench {
 public:
  Bench(const NmSparseBenchOptions& options, std::vector<sparse::Pattern> patterns,
        std::vector<BenchRow>& table)
      : options_(options), patterns_(std::move(patterns)), team_(options.threads), table_(table) {}

  void Products(const char* pass, bool forward, int64_t width) {
    std::vector<BenchArm> arms = DenseProducts(options_.batch, width, width);
    const size_t dense = arms.size();
    const double operations = 2.0 * options_.batch * static_cast<double>(width * width);
    for (const sparse::Pattern& pattern : patterns_) {
      for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
        const auto product =
            MakeSparseProduct(options_.batch, width, forward, pattern, precision, team_);
        const std::string name = Name(pass, pattern, precision);
        arms.push_back({fmt::format("{}/rows/D{}", name, width), product.rows});
        arms.push_back({fmt::format("{}/chain/D{}", name, width), product.chain});
      }
    }
    CompareAll(pass, "GFLOP/s", operations * 1e-9, width, dense, arms);
  }

  // Kernels as the backend chooses them, and sparse ones in any case.
  void Steps(int64_t width) {
    std::vector<BenchArm> arms = DenseSteps(options_.batch, width);
    const size_t dense = arms.size();
    const auto add = [&](const sparse::Pattern& pattern, Precision precision,
                         sparse::ProductChoice products, const char* kind) {
      const Sparsity sparsity = {.patterns = {.forward = pattern, .backward = pattern},
                                 .precision = precision,
                                 .products = products,
                                 .layers = {}};
      arms.push_back({fmt::format("{}/{}/D{}", Name("step", pattern, precision), kind, width),
                      MakeSparseStep(options_.batch, width, sparsity, options_.threads)});
    };
    add(sparse::DensePattern(), Precision::kBfloat16, sparse::ProductChoice::kDense, "chain");
    for (const sparse::Pattern& pattern : patterns_) {
      for (const Precision precision : {Precision::kBfloat16, Precision::kFloat32}) {
        const bool own = pattern.shared_by == 1;
        if (own || precision == Precision::kBfloat16) {
          add(pattern, precision, sparse::ProductChoice::kSparse, "chain");
        }
        if (own) add(pattern, precision, sparse::ProductChoice::kAuto, "auto");
      }
    }
    CompareAll("step", "ms", 0, width, dense, arms);
  }

  void Inference(int64_t width) {
    std::vector<BenchArm> arms = DenseInference(options_.batch, width);
    const size_t dense = arms.size();
    for (const sparse::Pattern& pattern : patterns_) {
      const Sparsity sparsity = {.patterns = {.forward = pattern, .backward = pattern},
                                 .layers = {}};
      const std::string name = Name("inference", pattern, sparsity.precision);
      arms.push_back({fmt::format("{}/policy/D{}", name, width),
                      MakeSparseInference(options_.batch, width, sparsity, team_)});
    }
    CompareAll("inference", "ms", 0, width, dense, arms);
  }

  // Choosing and packing both forms, beside a copy of the weights.
  void Pack(int64_t width) {
    AlignedFloats weights;
    std::vector<float> copy(static_cast<size_t>(width * width));
    std::vector<BenchArm> arms = {{"copy of the weights", [&] {
                                     std::memcpy(copy.data(), weights.data(), copy.size() * 4);
                                   }}};
    for (const sparse::Pattern& pattern : patterns_) {
      arms.push_back({fmt::format("{}/D{}", Name("pack", pattern, Precision::kBfloat16), width),
                      MakePacking(width, pattern, weights)});
    }
    const auto seconds = Interleave(arms, options_.rounds, options_.threads == 1).seconds;
    const double scale = 1e9 / static_cast<double>(width * width);
    for (size_t i = 1; i < arms.size(); ++i) {
      table_.push_back({arms[i].name, "ns/weight", scale * Median(seconds[i]), arms[0].name,
                        scale * Median(seconds[0]), Scaled(seconds[i], scale),
                        /*lower_is_better=*/true});
    }
  }

 private:
  static std::string Name(const char* what, const sparse::Pattern& pattern, Precision precision) {
    return fmt::format("nm_sparse/{}/{}/v{}/{}", what, sparse::NameOf(pattern), pattern.shared_by,
                       NameOf(precision));
  }

  static std::vector<double> Scaled(std::vector<double> values, double scale) {
    for (double& value : values) value *= scale;
    return values;
  }

  // Measures all arms, the first `dense` of which are dense ones.
  void CompareAll(const char* what, const char* unit, double work, int64_t width, size_t dense,
                  const std::vector<BenchArm>& arms) {
    const Measured measured = Interleave(arms, options_.rounds, options_.threads == 1);
    for (size_t i = 1; i < arms.size(); ++i) {
      Compare(i < dense ? fmt::format("nm_sparse/{}/dense/{}/D{}", what, arms[i].name, width)
                        : arms[i].name,
              unit, work, i, arms, measured.seconds);
    }
    const auto& bfloat16 = measured.joules[2];
    // Counters move once a millisecond: arms that are shorter have too few of them.
    const auto known = [&](const std::vector<double>& joules) {
      return std::ssize(joules) == options_.rounds;
    };
    for (size_t i = dense; i < arms.size() && work == 0 && known(bfloat16); ++i) {
      if (!known(measured.joules[i])) continue;
      table_.push_back({arms[i].name + "/energy", "J", Median(measured.joules[i]),
                        "dense " + arms[2].name, Median(bfloat16), measured.joules[i],
                        /*lower_is_better=*/true});
    }
  }

  // Arm `i` against the faster float32 arm (the first two) and bfloat16 (the third), of those that
  // come before it; `work` a second, or milliseconds if 0.
  void Compare(const std::string& name, const char* unit, double work, size_t i,
               const std::vector<BenchArm>& arms, const std::vector<std::vector<double>>& seconds) {
    const size_t best = Median(seconds[0]) <= Median(seconds[1]) ? 0 : 1;
    const auto value_of = [work](double s) { return work > 0 ? work / s : 1e3 * s; };
    std::vector<size_t> rivals = {0};
    if (i > 1 && best != 0) rivals.push_back(best);
    if (i > 2) rivals.push_back(2);
    for (const size_t rival : rivals) {
      std::vector<double> samples, ratios;
      for (size_t round = 0; round < seconds[i].size(); ++round) {
        samples.push_back(value_of(seconds[i][round]));
        ratios.push_back(seconds[rival][round] / seconds[i][round]);
      }
      table_.push_back({name, unit, value_of(Median(seconds[i])), "dense " + arms[rival].name,
                        value_of(Median(seconds[rival])), samples, /*lower_is_better=*/work == 0,
                        Median(ratios)});
    }
  }

  const NmSparseBenchOptions& options_;
  const std::vector<sparse::Pattern> patterns_;
  ThreadTeam team_;
  std::vector<BenchRow>& table_;
};

absl::StatusOr<std::vector<sparse::Pattern>> Patterns(const std::vector<std::string>& names) {
  std::vector<sparse::Pattern> patterns;
  for (const std::string& name : names) {
    MILLRACE_ASSIGN_OR_RETURN(sparse::Pattern pattern, sparse::ParsePattern(name));
    for (const int64_t shared_by : {1, 2, 4}) {
      pattern.shared_by = shared_by;
      patterns.push_back(pattern);
    }
  }
  return patterns;
}

// What the step with one pattern is against dense bfloat16, for text.
std::string StepsOf(const std::vector<BenchRow>& table, bool reached, double bar) {
  std::string text;
  for (const BenchRow& row : table) {
    const bool counts = row.name.starts_with("nm_sparse/step/") && row.baseline == "dense bf16" &&
                        row.unit == "ms" && row.name.find("/bf16/chain/") != std::string::npos;
    if (!counts || (row.Ratio() >= bar) != reached) continue;
    const size_t first = std::strlen("nm_sparse/step/");
    text +=
        fmt::format("{}{} ({:.2f})", text.empty() ? "" : ", ", row.name.substr(first), row.Ratio());
  }
  return text;
}

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunNmSparseBench(const NmSparseBenchOptions& options) {
  if (options.batch < kTile || options.batch % kTile != 0) {
    return absl::InvalidArgumentError(
        fmt::format("--batch: expected a multiple of {}, got {}", kTile, options.batch));
  }
  for (const int width : options.widths) {
    if (width >= kPanel && width % kPanel == 0) continue;
    return absl::InvalidArgumentError(
        fmt::format("--width: expected a multiple of {}, got {}", kPanel, width));
  }
  if (options.batch % options.threads != 0) {
    return absl::InvalidArgumentError(
        fmt::format("--threads: expected a divisor of {}, got {}", options.batch, options.threads));
  }
  MILLRACE_ASSIGN_OR_RETURN(auto patterns, Patterns(options.patterns));
  at::set_num_threads(options.threads);
  std::vector<BenchRow> table;
  Bench bench(options, std::move(patterns), table);
  for (const int width : options.widths) {
    {
      const torch::NoGradGuard no_gradient;
      bench.Products("forward", true, width);
      bench.Products("input_gradient", false, width);
      bench.Pack(width);
      bench.Inference(width);
    }
    bench.Steps(width);
  }
  return table;
}

std::string NmSparseNotes(const std::vector<BenchRow>& table) {
  constexpr double kReported = 1.75;
  const std::string reached = StepsOf(table, true, kReported);
  const std::string missed = StepsOf(table, false, kReported);
  return fmt::format(
      "BDWP (Fang et al. 2023) reports a step {} times as fast as dense at 2:8, on an "
      "accelerator of its own, for 0.56 % of accuracy.\n"
      "Steps here that are as much faster than dense bf16: {}.\n"
      "Steps that are not, because the gradient of the weights and the rest stay dense: {}.\n"
      "Joules a step: {}.\n",
      kReported, reached.empty() ? "none" : reached, missed.empty() ? "none" : missed,
      PackageJoules() ? "above" : "not measurable, there is no counter that can be read");
}

}  // namespace millrace
