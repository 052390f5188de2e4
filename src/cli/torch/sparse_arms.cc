#include "cli/torch/sparse_arms.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "backends/nm_sparse/sparse_policy.h"
#include "cli/common/acting.h"
#include "inference/sparse_model.h"
#include "kernels/kernels.h"
#include "millrace/core/check.h"
#include "millrace/core/rng.h"
#include "sparse/kernel_choice.h"

namespace millrace {
namespace {

using sparse::kPanel;
using sparse::kTile;
using sparse::Precision;

constexpr int64_t kInputs = 64, kChoices = 15;  // of DenseSteps(), whose last output is the value

std::vector<float> Random(int64_t size, uint64_t stream, double scale = 1) {
  Rng rng(1, stream);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(scale * rng.Normal());
  return values;
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

// A square layer: Adam's step, choosing and packing its weights for both products.
class PackedLayerArm {
 public:
  PackedLayerArm(int64_t width, const sparse::Pattern& pattern, AdamArrays& arrays)
      : spec_(SquareLayer(width)),
        layout_(spec_),
        layer_(layout_, "trunk.0",
               {.patterns = {.forward = pattern, .backward = pattern},
                .products = sparse::ProductChoice::kSparse,
                .layers = {"trunk.0"}},
               /*input_gradient=*/true, sparse::BestKernels(Precision::kBfloat16)),
        arrays_(arrays) {
    const auto fill = [&](AlignedFloats& array, const std::vector<float>& values) {
      array.Reserve(values.size());
      std::ranges::copy(values, array.data());
    };
    fill(arrays_.weights, Random(layout_.size(), 1));
    fill(arrays_.gradients, Random(layout_.size(), 2));
    fill(arrays_.mean, std::vector<float>(static_cast<size_t>(layout_.size())));
    fill(arrays_.variance, std::vector<float>(static_cast<size_t>(layout_.size()), 1.0F));
  }

  void Run(PackingWork work) {
    const AdamBuffers buffers = {.gradients = arrays_.gradients.data(),
                                 .parameters = arrays_.weights.data(),
                                 .mean = arrays_.mean.data(),
                                 .variance = arrays_.variance.data()};
    for (int64_t part = 0; part < layer_.parts(); ++part) {
      if (work != PackingWork::kPack) layer_.Step({.step_size = 1e-6F}, buffers, part);
      if (work != PackingWork::kStep) layer_.Pack(buffers.parameters, /*choose=*/true, part);
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
  AdamArrays& arrays_;
};

// A training step of the mlp of DenseSteps(), its outputs split into 15 logits and a value.
class SparseStep {
 public:
  SparseStep(int64_t rows, int64_t width, const Sparsity& sparsity, int threads)
      : rows_(rows),
        policy_(BenchedMlp(width), WithHiddenLayers(sparsity), threads),
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
  const int64_t rows_;
  const kernels::KernelSet& kernels_ = kernels::BestKernels();
  SparsePolicy policy_;
  const std::vector<float> x_;
  std::vector<float> parameters_, gradients_, mean_, variance_, policy_gradient_, value_gradient_;
};

}  // namespace

ModelSpec BenchedMlp(int64_t width) {
  ModelSpec spec;
  spec.hidden = {width, width, width};
  spec.activation = Activation::kRelu;
  spec.shared_trunk = true;
  spec.observation.fields = {{"x", DType::kFloat32, {kInputs}}};
  spec.action = ActionSpec::Discrete(kChoices);
  return spec;
}

Sparsity WithHiddenLayers(Sparsity sparsity) {
  sparsity.layers = {"trunk.1", "trunk.2"};
  sparsity.refresh = Refresh::kStep;
  return sparsity;
}

SparseProductArms MakeSparseProduct(int64_t rows, int64_t width, bool forward,
                                    const sparse::Pattern& pattern, Precision precision,
                                    ThreadTeam& team) {
  const auto product =
      std::make_shared<SparseProduct>(rows, width, forward, pattern, precision, team);
  return {.rows = [product] { product->Rows(); }, .chain = [product] { product->Chain(); }};
}

std::function<void(PackingWork)> MakePacking(int64_t width, const sparse::Pattern& pattern,
                                             AdamArrays& arrays) {
  return [arm = std::make_shared<PackedLayerArm>(width, pattern, arrays)](PackingWork work) {
    arm->Run(work);
  };
}

std::function<void()> MakeSparseStep(int64_t rows, int64_t width, const Sparsity& sparsity,
                                     int threads) {
  return [step = std::make_shared<SparseStep>(rows, width, sparsity, threads)] { step->Run(); };
}

std::function<void()> MakeSparseInference(int64_t rows, int64_t width, const Sparsity& sparsity,
                                          ThreadTeam& team) {
  const ModelSpec spec = BenchedMlp(width);
  const auto actors = std::make_shared<std::vector<std::unique_ptr<Acting>>>();
  for (int thread = 0; thread < team.size(); ++thread) {
    actors->push_back(
        std::make_unique<Acting>(std::make_unique<SparseModel>(spec, WithHiddenLayers(sparsity)),
                                 spec.observation, static_cast<int>(rows / team.size())));
  }
  return [actors, &team] {
    team.Run(team.size(), [&](int64_t part, int) {
      const absl::Status status = (*actors)[static_cast<size_t>(part)]->Act();
      MILLRACE_CHECK(status.ok(), "a model that has weights");
    });
  };
}

}  // namespace millrace
