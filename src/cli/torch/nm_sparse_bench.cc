#include "cli/torch/nm_sparse_bench.h"

#include <spdlog/fmt/fmt.h>

#include <cstring>

#include "backends/nm_sparse/semi_structured_matrix.h"
#include "cli/torch/dense_arms.h"
#include "cli/torch/dense_comparison.h"
#include "cli/torch/gpu_sparse_arms.h"
#include "cli/torch/package_energy.h"
#include "cli/torch/sparse_arms.h"
#include "core/thread_team.h"
#include "millrace/core/status.h"
#include "models/torch_device.h"

namespace millrace {
namespace {

using sparse::kPanel;
using sparse::kTile;
using sparse::Precision;

const char* NameOf(Precision precision) {
  return precision == Precision::kFloat32 ? "fp32" : "bf16";
}

// What one size of layer is measured with.
class Bench {
 public:
  Bench(const NmSparseBenchOptions& options, std::vector<sparse::Pattern> patterns,
        std::vector<BenchRow>& table)
      : options_(options),
        patterns_(std::move(patterns)),
        team_(options.threads),
        comparison_(options.rounds,
                    /*one_thread=*/options.threads == 1 && options.device == "cpu", table) {}

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
    comparison_.Add(pass, "GFLOP/s", operations * 1e-9, width, dense, arms);
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
    comparison_.Add("step", "ms", 0, width, dense, arms);
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
    comparison_.Add("inference", "ms", 0, width, dense, arms);
  }

  // What there is on a GPU: nothing is gained by shared places there.
  void OnGpu(int64_t width, torch::Device device) {
    std::vector<BenchArm> products = DenseGpuProducts(options_.batch, width, width, device);
    std::vector<BenchArm> steps = DenseGpuSteps(options_.batch, width, device);
    const size_t dense = products.size();
    for (const sparse::Pattern& pattern : patterns_) {
      if (pattern.shared_by > 1) continue;
      if (SemiStructuredMatrix::Fits(width, width, pattern)) {
        if (auto product = MakeGpuProduct(options_.batch, width, pattern, device)) {
          products.push_back(
              {fmt::format("{}/D{}", Name("forward", pattern, Precision::kBfloat16), width),
               std::move(product)});
        }
      }
      for (const auto& [products_of, kind] : {std::pair{sparse::ProductChoice::kSparse, "sparse"},
                                              {sparse::ProductChoice::kDense, "masked"},
                                              {sparse::ProductChoice::kAuto, "auto"}}) {
        const Sparsity sparsity = {.patterns = {.forward = pattern, .backward = pattern},
                                   .products = products_of,
                                   .layers = {}};
        steps.push_back(
            {fmt::format("{}/{}/D{}", Name("step", pattern, Precision::kBfloat16), kind, width),
             MakeGpuStep(options_.batch, width, sparsity, device)});
      }
    }
    const double operations = 2.0 * options_.batch * static_cast<double>(width * width);
    {
      const torch::NoGradGuard no_gradient;
      comparison_.Add("forward", "GFLOP/s", operations * 1e-9, width, dense, products);
    }
    comparison_.Add("step", "ms", 0, width, dense, steps);
  }

  // Choosing and packing both forms, beside a copy of the weights; and how much longer Adam's step
  // takes with it, as training does it.
  void Pack(int64_t width) {
    AdamArrays arrays;
    std::vector<float> copy(static_cast<size_t>(width * width));
    std::vector<BenchArm> alone = {
        {"copy of the weights",
         [&] { std::memcpy(copy.data(), arrays.weights.data(), copy.size() * 4); }}};
    std::vector<BenchArm> steps;
    for (const sparse::Pattern& pattern : patterns_) {
      const auto run = MakePacking(width, pattern, arrays);
      const auto name = [&](const char* what) {
        return fmt::format("{}/D{}", Name(what, pattern, Precision::kBfloat16), width);
      };
      alone.push_back({name("pack"), [run] { run(PackingWork::kPack); }});
      if (steps.empty()) steps.push_back({"Adam", [run] { run(PackingWork::kStep); }});
      steps.push_back({name("pack_after_adam"), [run] { run(PackingWork::kStepAndPack); }});
    }
    const double scale = 1e9 / static_cast<double>(width * width);
    comparison_.AddScaled("ns/weight", scale, alone);
    comparison_.AddExtra("ns/weight", scale, steps);
  }

 private:
  static std::string Name(const char* what, const sparse::Pattern& pattern, Precision precision) {
    return fmt::format("nm_sparse/{}/{}/v{}/{}", what, sparse::NameOf(pattern), pattern.shared_by,
                       NameOf(precision));
  }

  const NmSparseBenchOptions& options_;
  const std::vector<sparse::Pattern> patterns_;
  ThreadTeam team_;
  DenseComparison comparison_;
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
    const bool sparse = row.name.find("/bf16/chain/") != std::string::npos ||
                        row.name.find("/bf16/sparse/") != std::string::npos;
    const bool counts = sparse && row.name.starts_with("nm_sparse/step/") &&
                        row.baseline == "dense bf16" && row.unit == "ms";
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
  MILLRACE_ASSIGN_OR_RETURN(const torch::Device device, FindDevice(options.device));
  at::set_num_threads(options.threads);
  std::vector<BenchRow> table;
  Bench bench(options, std::move(patterns), table);
  for (const int width : options.widths) {
    if (!device.is_cpu()) {
      bench.OnGpu(width, device);
      continue;
    }
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
