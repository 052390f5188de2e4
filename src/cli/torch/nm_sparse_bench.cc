#include "cli/torch/nm_sparse_bench.h"

#include <spdlog/fmt/fmt.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>

#include "backends/nm_sparse/sparse_policy.h"
#include "cli/torch/dense_arms.h"
#include "core/thread_team.h"
#include "kernels/kernels.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"
#include "sparse/kernel_choice.h"

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

// Seconds of every arm in every round, after one round to warm up: [arm][round].
std::vector<std::vector<double>> Interleave(const std::vector<BenchArm>& arms, int rounds,
                                            bool one_thread) {
  std::vector<std::vector<double>> seconds(arms.size());
  for (int round = -1; round < rounds; ++round) {
    for (size_t i = 0; i < arms.size(); ++i) {
      const double begin = Seconds(one_thread);
      arms[i].run();
      if (round >= 0) seconds[i].push_back(Seconds(one_thread) - begin);
    }
  }
  return seconds;
}

std::vector<float> Random(int64_t size, uint64_t stream, double scale = 1) {
  Rng rng(1, stream);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(scale * rng.Normal());
  return values;
}

const char* NameOf(Precision precision) {
  return precision == Precision::kFloat32 ? "fp32" : "bf16";
}

// A square layer's forward product, or that for the gradient of its inputs.
class SparseProduct {
 public:
  SparseProduct(int64_t rows, int64_t width, bool forward, const sparse::Pattern& pattern,
                Precision precision, ThreadTeam& team)
      : kernels_(sparse::BestKernels(precision)),
        team_(team),
        width_(width),
        tile_bytes_(width * kTile * ElementBytes(precision)),
        tiles_(rows / kTile),
        packed_(width, width, pattern, kernels_),
        x_(Random(rows * width, 1)),
        y_(x_.size()),
        bias_(Random(width, 2)),
        scratch_(static_cast<size_t>(team.size())),
        x_tiles_(static_cast<size_t>(team.size())) {
    const auto w = Random(width * width, 3);
    packed_.Pack({w.data(), width, width, forward ? width : 1, forward ? 1 : width});
    for (AlignedFloats& scratch : scratch_) scratch.Reserve(static_cast<size_t>(width * kTile));
    for (auto& tile : x_tiles_) tile.Reserve(static_cast<size_t>(tile_bytes_));
    for (auto* chain : {&in_, &out_}) chain->Reserve(static_cast<size_t>(tiles_ * tile_bytes_));
    for (int64_t tile = 0; tile < tiles_; ++tile) {
      kernels_.tile_of_rows(x_.data() + tile * kTile * width, width, kTile, width,
                            in_.data() + tile * tile_bytes_);
    }
  }

  // From and to float32 rows of a batch.
  void Rows() {
    team_.Run(tiles_, [&](int64_t tile, int thread) {
      std::byte* x = x_tiles_[static_cast<size_t>(thread)].data();
      kernels_.tile_of_rows(x_.data() + tile * kTile * width_, width_, kTile, width_, x);
      packed_.Multiply(
          x, scratch_[static_cast<size_t>(thread)].data(), [&](int64_t panel, const float* sums) {
            kernels_.rows_of_sums(sums, bias_.data() + panel * kPanel, kTile, kPanel,
                                  y_.data() + tile * kTile * width_ + panel * kPanel, width_);
          });
    });
  }

  // Between two layers: from tiles to tiles, bias and ReLU included.
  void Chain() {
    team_.Run(tiles_, [&](int64_t tile, int thread) {
      packed_.Multiply(
          in_.data() + tile * tile_bytes_, scratch_[static_cast<size_t>(thread)].data(),
          [&](int64_t panel, const float* sums) {
            kernels_.activate(
                sums, bias_.data() + panel * kPanel, sparse::Nonlinearity::kRelu,
                out_.data() + tile * tile_bytes_ + panel * (tile_bytes_ / width_ * kPanel));
          });
    });
  }

 private:
  const sparse::KernelSet& kernels_;
  ThreadTeam& team_;
  const int64_t width_, tile_bytes_, tiles_;
  sparse::PackedMatrix packed_;
  std::vector<float> x_, y_, bias_;
  std::vector<AlignedFloats> scratch_;
  std::vector<AlignedBuffer<std::byte>> x_tiles_;
  AlignedBuffer<std::byte> in_, out_;
};

// Choosing and packing the weights of a square layer for both products. Layers of the same width
// may share their weights.
class PackedLayerArm {
 public:
  PackedLayerArm(int64_t width, const sparse::Pattern& pattern, AlignedFloats& weights)
      : spec_(SquareLayer(width)),
        layout_(spec_),
        layer_(layout_, "trunk.0",
               {.patterns = {.forward = pattern, .backward = pattern}, .layers = {"trunk.0"}},
               /*input_gradient=*/true, sparse::BestKernels(Precision::kBfloat16)),
        weights_(weights) {
    const auto values = Random(layout_.size(), 1);
    weights_.Reserve(values.size());
    std::ranges::copy(values, weights_.data());
  }

  void Run() {
    for (int64_t part = 0; part < layer_.parts(); ++part) {
      layer_.Pack(weights_.data(), /*choose=*/true, part);
    }
  }

 private:
  static ModelSpec SquareLayer(int64_t width) {
    ModelSpec spec;
    spec.hidden = {width};
    spec.shared_trunk = true;
    spec.observation.fields = {{"x", DType::kFloat32, {width}}};
    spec.action = ActionSpec::Discrete(2);
    return spec;
  }

  const ModelSpec spec_;
  SparseLayout layout_;
  SparseLayer layer_;
  AlignedFloats& weights_;
};

// A training step of the mlp of DenseSteps(), its outputs split into 15 logits and a value.
class SparseStep {
 public:
  SparseStep(int64_t rows, int64_t width, const sparse::Pattern& pattern, Precision precision,
             int threads)
      : rows_(rows),
        policy_(Spec(width),
                {.patterns = {.forward = pattern, .backward = pattern},
                 .precision = precision,
                 .layers = {"trunk.1", "trunk.2"},
                 .refresh = Refresh::kStep},
                threads),
        x_(Random(rows * kInputs, 1)),
        parameters_(Random(policy_.size(), 2, 1 / std::sqrt(static_cast<double>(width)))),
        gradients_(parameters_.size()),
        mean_(parameters_.size()),
        variance_(parameters_.size()),
        policy_gradient_(static_cast<size_t>(rows * kPanel)),
        value_gradient_(policy_gradient_.size()) {
    policy_.Take(parameters_.data());
  }

  void Run() {
    const NativeMinibatch batch{
        .chunks = rows_, .actor_input = x_.data(), .critic_input = x_.data()};
    const RowNetwork::Heads heads = policy_.Forward(parameters_.data(), batch);
    // Of the mean squared difference from 1.
    const float scale = 2.0F / static_cast<float>(rows_ * kPanel);
    for (int64_t row = 0; row < rows_; ++row) {
      float* g = policy_gradient_.data() + row * kPanel;
      for (int64_t i = 0; i < kChoices; ++i) {
        g[i] = scale * (heads.policy[row * heads.policy_stride + i] - 1);
      }
      value_gradient_[static_cast<size_t>(row * kPanel)] =
          scale * (heads.value[row * heads.value_stride] - 1);
    }
    policy_.Backward(parameters_.data(), batch, policy_gradient_.data(), value_gradient_.data(),
                     gradients_.data());
    const auto size = static_cast<int64_t>(gradients_.size());
    const double norm = std::sqrt(kernels_.squared_norm(gradients_.data(), size));
    policy_.Step({.scale = static_cast<float>(std::min(1.0, 0.5 / norm)), .step_size = 1e-4F},
                 {gradients_.data(), parameters_.data(), mean_.data(), variance_.data()});
  }

 private:
  static constexpr int64_t kInputs = 64, kChoices = 15;

  static ModelSpec Spec(int64_t width) {
    ModelSpec spec;
    spec.hidden = {width, width, width};
    spec.activation = Activation::kRelu;
    spec.shared_trunk = true;
    spec.observation.fields = {{"x", DType::kFloat32, {kInputs}}};
    spec.action = ActionSpec::Discrete(kChoices);
    return spec;
  }

  const int64_t rows_;
  const kernels::KernelSet& kernels_ = kernels::BestKernels();
  SparsePolicy policy_;
  const std::vector<float> x_;
  std::vector<float> parameters_, gradients_, mean_, variance_, policy_gradient_, value_gradient_;
};

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
        const auto product = std::make_shared<SparseProduct>(options_.batch, width, forward,
                                                             pattern, precision, team_);
        const std::string name = Name(pass, pattern, precision);
        arms.push_back({fmt::format("{}/rows/D{}", name, width), [product] { product->Rows(); }});
        arms.push_back({fmt::format("{}/chain/D{}", name, width), [product] { product->Chain(); }});
      }
    }
    const auto seconds = Interleave(arms, options_.rounds, options_.threads == 1);
    for (size_t i = 1; i < arms.size(); ++i) {
      Compare(i < dense ? fmt::format("nm_sparse/{}/dense/{}/D{}", pass, arms[i].name, width)
                        : arms[i].name,
              "GFLOP/s", operations * 1e-9, i, arms, seconds);
    }
  }

  void Steps(int64_t width) {
    std::vector<BenchArm> arms = DenseSteps(options_.batch, width);
    const size_t dense = arms.size();
    std::vector<std::pair<sparse::Pattern, Precision>> ours = {
        {sparse::DensePattern(), Precision::kBfloat16}};
    for (const sparse::Pattern& pattern : patterns_) {
      ours.emplace_back(pattern, Precision::kBfloat16);
      if (pattern.shared_by == 1) ours.emplace_back(pattern, Precision::kFloat32);
    }
    for (const auto& [pattern, precision] : ours) {
      const auto step =
          std::make_shared<SparseStep>(options_.batch, width, pattern, precision, options_.threads);
      arms.push_back({fmt::format("{}/chain/D{}", Name("step", pattern, precision), width),
                      [step] { step->Run(); }});
    }
    const auto seconds = Interleave(arms, options_.rounds, options_.threads == 1);
    for (size_t i = 1; i < arms.size(); ++i) {
      Compare(i < dense ? fmt::format("nm_sparse/step/dense/{}/D{}", arms[i].name, width)
                        : arms[i].name,
              "ms", 0, i, arms, seconds);
    }
  }

  // Choosing and packing both forms, beside a copy of the weights.
  void Pack(int64_t width) {
    AlignedFloats weights;
    std::vector<float> copy(static_cast<size_t>(width * width));
    std::vector<BenchArm> arms = {{"copy of the weights", [&] {
                                     std::memcpy(copy.data(), weights.data(), copy.size() * 4);
                                   }}};
    for (const sparse::Pattern& pattern : patterns_) {
      const auto packing = std::make_shared<PackedLayerArm>(width, pattern, weights);
      arms.push_back({fmt::format("{}/D{}", Name("pack", pattern, Precision::kBfloat16), width),
                      [packing] { packing->Run(); }});
    }
    const auto seconds = Interleave(arms, options_.rounds, options_.threads == 1);
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
    }
    bench.Steps(width);
  }
  return table;
}

}  // namespace millrace
