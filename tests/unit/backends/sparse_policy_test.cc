#include "backends/nm_sparse/sparse_policy.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "gtest/gtest.h"
#include "millrace/core/rng.h"

namespace millrace {
namespace {

using Matrix = std::vector<double>;

ModelSpec Mlp(std::vector<int64_t> hidden, Activation activation, bool shared_trunk) {
  ModelSpec spec;
  spec.hidden = std::move(hidden);
  spec.activation = activation;
  spec.shared_trunk = shared_trunk;
  spec.observation.fields = {{"x", DType::kFloat32, {5}}};
  spec.action = ActionSpec::Discrete(3);
  return spec;
}

// All hidden layers but the first of each trunk.
Sparsity HiddenSparse(const ModelSpec& spec, const LayerPatterns& patterns,
                      sparse::Precision precision = sparse::Precision::kBfloat16) {
  Sparsity sparsity = {.patterns = patterns, .precision = precision, .layers = {}};
  for (const Network network : {Network::kActor, Network::kCritic}) {
    for (size_t i = 1; i < spec.hidden.size(); ++i) {
      sparsity.layers.push_back(spec.TrunkName(network) + "." + std::to_string(i));
    }
  }
  return sparsity;
}

std::vector<float> Random(int64_t size, uint64_t stream) {
  Rng rng(1, stream);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(rng.Normal());
  return values;
}

// w [out, in] with all but the largest of every group along a row (or, by columns, a column) set to
// 0.
Matrix Masked(const float* w, int64_t out, int64_t in, const sparse::Pattern& pattern,
              bool by_columns) {
  Matrix masked(static_cast<size_t>(out * in));
  const int64_t lines = by_columns ? in : out, length = by_columns ? out : in;
  const auto at = [&](int64_t line, int64_t i) {
    return static_cast<size_t>(by_columns ? i * in + line : line * in + i);
  };
  for (int64_t line = 0; line < lines; ++line) {
    for (int64_t first = 0; first < length; first += pattern.group) {
      std::vector<int64_t> group(static_cast<size_t>(std::min(pattern.group, length - first)));
      std::iota(group.begin(), group.end(), first);
      std::stable_sort(group.begin(), group.end(), [&](int64_t a, int64_t b) {
        return std::fabs(w[at(line, a)]) > std::fabs(w[at(line, b)]);
      });
      for (size_t n = 0; n < group.size() && n < static_cast<size_t>(pattern.kept); ++n) {
        masked[at(line, group[n])] = w[at(line, group[n])];
      }
    }
  }
  return masked;
}

// A network in double precision, with two masks a layer.
class Reference {
 public:
  Reference(const ModelSpec& spec, const Sparsity& sparsity, const std::vector<float>& flat)
      : spec_(spec), layout_(spec), sparsity_(sparsity), flat_(flat), gradients(flat.size()) {}

  struct Layer {
    std::string name;
    int64_t in = 0, out = 0;
    Matrix x = {}, y = {};  // [rows, in], [rows, out]
  };

  Matrix Apply(const std::string& name, const Matrix& x, int64_t rows, bool activate) {
    Layer layer{.name = name, .x = x};
    const ParameterEntry& weight = *layout_.Find(name + ".weight");
    layer.out = weight.shape[0];
    layer.in = weight.shape[1];
    const float* bias = flat_.data() + layout_.Find(name + ".bias")->offset;
    const Matrix w = ForwardWeights(layer);
    layer.y.resize(static_cast<size_t>(rows * layer.out));
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t o = 0; o < layer.out; ++o) {
        double sum = bias[o];
        for (int64_t i = 0; i < layer.in; ++i) {
          sum +=
              w[static_cast<size_t>(o * layer.in + i)] * x[static_cast<size_t>(r * layer.in + i)];
        }
        if (activate) {
          sum = spec_.activation == Activation::kTanh ? std::tanh(sum) : std::max(0.0, sum);
        }
        layer.y[static_cast<size_t>(r * layer.out + o)] = sum;
      }
    }
    layers_.push_back(layer);
    return layer.y;
  }

  // From the gradient of a layer's output after activation.
  Matrix Gradient(const std::string& name, Matrix g, int64_t rows, bool activated) {
    const Layer& layer = *std::find_if(layers_.begin(), layers_.end(),
                                       [&](const Layer& l) { return l.name == name; });
    for (size_t i = 0; activated && i < g.size(); ++i) {
      const double y = layer.y[i];
      g[i] *= spec_.activation == Activation::kTanh ? 1 - y * y : (y > 0 ? 1 : 0);
    }
    const size_t weight = layout_.Find(name + ".weight")->offset;
    const size_t bias = layout_.Find(name + ".bias")->offset;
    const Matrix forward = ForwardWeights(layer);
    const LayerPatterns patterns = sparsity_.Of(name);
    const Matrix w = patterns.backward_as_forward ? forward
                                                  : Masked(flat_.data() + weight, layer.out,
                                                           layer.in, patterns.backward, true);
    Matrix x_gradient(static_cast<size_t>(rows * layer.in));
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t o = 0; o < layer.out; ++o) {
        const double value = g[static_cast<size_t>(r * layer.out + o)];
        gradients[bias + static_cast<size_t>(o)] += value;
        for (int64_t i = 0; i < layer.in; ++i) {
          const auto at = static_cast<size_t>(o * layer.in + i);
          gradients[weight + at] += value * layer.x[static_cast<size_t>(r * layer.in + i)];
          x_gradient[static_cast<size_t>(r * layer.in + i)] += value * w[at];
        }
      }
    }
    for (size_t i = 0; i < forward.size(); ++i) {
      if (forward[i] != 0) continue;
      gradients[weight + i] += sparsity_.decay * flat_[weight + i];
      if (sparsity_.refresh == Refresh::kNever) gradients[weight + i] = 0;
    }
    return x_gradient;
  }

  Matrix Trunk(const std::string& name, Matrix x, int64_t rows) {
    for (size_t i = 0; i < spec_.hidden.size(); ++i) {
      x = Apply(name + "." + std::to_string(i), x, rows, true);
    }
    return x;
  }
  void TrunkGradient(const std::string& name, Matrix g, int64_t rows) {
    for (size_t i = spec_.hidden.size(); i-- > 0;) {
      g = Gradient(name + "." + std::to_string(i), std::move(g), rows, true);
    }
  }

 private:
  Matrix ForwardWeights(const Layer& layer) const {
    return Masked(flat_.data() + layout_.Find(layer.name + ".weight")->offset, layer.out, layer.in,
                  sparsity_.Of(layer.name).forward, false);
  }

  const ModelSpec& spec_;
  const ParameterLayout layout_;
  const Sparsity& sparsity_;
  const std::vector<float>& flat_;
  std::vector<Layer> layers_;

 public:
  Matrix gradients;
};

// The largest difference, relative to the largest number.
double Difference(const std::vector<float>& a, const Matrix& b) {
  double worst = 0, largest = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    worst = std::max(worst, std::fabs(a[i] - b[i]));
    largest = std::max(largest, std::fabs(b[i]));
  }
  return worst / largest;
}

struct Case {
  std::vector<int64_t> hidden;
  Activation activation;
  bool shared_trunk;
  LayerPatterns patterns;
  int threads;
  double decay = 0;
  Refresh refresh = Refresh::kIteration;
};

void ExpectTheReference(const Case& c, sparse::Precision precision, double tolerance) {
  const ModelSpec spec = Mlp(c.hidden, c.activation, c.shared_trunk);
  Sparsity sparsity = HiddenSparse(spec, c.patterns, precision);
  sparsity.decay = c.decay;
  sparsity.refresh = c.refresh;
  SparsePolicy policy(spec, sparsity, c.threads);
  constexpr int64_t kRows = 150;  // three tiles, the last one not full
  const ParameterLayout layout(spec);
  auto flat = Random(static_cast<int64_t>(layout.num_trainable()), 1);
  for (float& value : flat) value *= 0.3F;
  std::vector<float> own(static_cast<size_t>(policy.size())), gradients(own.size());
  policy.Import(flat, own.data());
  policy.Take(own.data());
  const auto x = Random(kRows * 5, 2);
  const NativeMinibatch batch{.chunks = kRows, .actor_input = x.data(), .critic_input = x.data()};
  const RowNetwork::Heads heads = policy.Forward(own.data(), batch);

  Reference reference(spec, sparsity, flat);
  const Matrix input(x.begin(), x.end());
  const std::string actor = c.shared_trunk ? "trunk" : "actor";
  const Matrix hidden = reference.Trunk(actor, input, kRows);
  const Matrix critic = c.shared_trunk ? hidden : reference.Trunk("critic", input, kRows);
  const Matrix logits = reference.Apply("policy_head", hidden, kRows, false);
  const Matrix values = reference.Apply("value_head", critic, kRows, false);
  std::vector<float> got_logits, got_values;
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t i = 0; i < 3; ++i) got_logits.push_back(heads.policy[r * heads.policy_stride + i]);
    got_values.push_back(heads.value[r * heads.value_stride]);
  }
  EXPECT_LT(Difference(got_logits, logits), tolerance);
  EXPECT_LT(Difference(got_values, values), tolerance);

  std::vector<float> policy_gradient(static_cast<size_t>(kRows * heads.policy_stride));
  std::vector<float> value_gradient(static_cast<size_t>(kRows * heads.value_stride));
  const auto g = Random(kRows * 4, 3);
  Matrix policy_g, value_g;
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t i = 0; i < 3; ++i) {
      policy_g.push_back(g[static_cast<size_t>(r * 4 + i)]);
      policy_gradient[static_cast<size_t>(r * heads.policy_stride + i)] =
          g[static_cast<size_t>(r * 4 + i)];
    }
    value_g.push_back(g[static_cast<size_t>(r * 4 + 3)]);
    value_gradient[static_cast<size_t>(r * heads.value_stride)] = g[static_cast<size_t>(r * 4 + 3)];
  }
  policy.Backward(own.data(), batch, policy_gradient.data(), value_gradient.data(),
                  gradients.data());
  Matrix hidden_g = reference.Gradient("policy_head", policy_g, kRows, false);
  Matrix critic_g = reference.Gradient("value_head", value_g, kRows, false);
  if (c.shared_trunk) {
    for (size_t i = 0; i < hidden_g.size(); ++i) hidden_g[i] += critic_g[i];
  } else {
    reference.TrunkGradient("critic", critic_g, kRows);
  }
  reference.TrunkGradient(actor, hidden_g, kRows);
  std::vector<float> got(flat.size());
  policy.Export(gradients.data(), got);
  for (const ParameterEntry& entry : layout.entries()) {
    if (!entry.trainable) continue;
    const auto begin = static_cast<std::ptrdiff_t>(entry.offset);
    const auto size = NumElements(entry.shape);
    EXPECT_LT(Difference({got.begin() + begin, got.begin() + begin + size},
                         {reference.gradients.begin() + begin,
                          reference.gradients.begin() + begin + size}),
              tolerance)
        << entry.name;
  }
}

std::vector<Case> Cases() {
  const sparse::Pattern dense = sparse::DensePattern();
  return {
      {{16}, Activation::kTanh, false, {dense, dense}, 1},
      {{40, 33}, Activation::kTanh, true, {{2, 8}, {2, 8}}, 1},
      {{40, 33, 20}, Activation::kRelu, false, {{2, 4}, {2, 4}}, 2},
      {{300, 70, 20}, Activation::kTanh, false, {{1, 8}, {2, 8}}, 2},
      {{64, 64}, Activation::kTanh, true, {{2, 8}, dense}, 1},
      {{64, 64}, Activation::kTanh, false, {dense, {2, 16}}, 1},
      // SR-STE, and weights that are fixed.
      {{40, 33, 20}, Activation::kTanh, false, {{2, 8}, dense, true}, 2, 0.1},
      {{40, 33, 20}, Activation::kTanh, true, {{2, 4}, dense, true}, 2, 0, Refresh::kNever},
      {{40, 33}, Activation::kTanh, true, {{2, 8}, {2, 8}}, 1, 0.1},
  };
}

TEST(SparsePolicy, InFloat32EqualsTheMaskedNetworkInDoublePrecision) {
  for (const Case& c : Cases()) ExpectTheReference(c, sparse::Precision::kFloat32, 1e-5);
}

TEST(SparsePolicy, InBfloat16IsCloseToIt) {
  for (const Case& c : Cases()) {
    // A sum near zero may fall on the other side of a ReLU.
    if (c.activation == Activation::kRelu) continue;
    ExpectTheReference(c, sparse::Precision::kBfloat16, 3e-2);
  }
}

// Layers of several squares, with rows that are padded and rows that are not.
TEST(SparsePolicy, AStepIsThatOfAdamAndPacksWhatItMade) {
  const ModelSpec spec = Mlp({600, 256, 300}, Activation::kTanh, false);
  const kernels::AdamStep adam = {.scale = 0.5F, .weight_decay = 0.01F, .step_size = 0.1F};
  const ParameterLayout layout(spec);
  const auto trainable = static_cast<int64_t>(layout.num_trainable());
  for (const sparse::Precision precision :
       {sparse::Precision::kFloat32, sparse::Precision::kBfloat16}) {
    for (const LayerPatterns& patterns :
         {LayerPatterns{{2, 8}, {2, 4}}, LayerPatterns{{2, 8}, sparse::DensePattern(), true}}) {
      Sparsity sparsity = HiddenSparse(spec, patterns, precision);
      sparsity.refresh = Refresh::kStep;
      SparsePolicy stepped(spec, sparsity, 3), packed(spec, sparsity, 1);
      const auto begin = Random(trainable, 1), g = Random(trainable, 2);
      const auto import = [&](const std::vector<float>& flat) {
        AlignedFloats own;
        own.Reserve(static_cast<size_t>(stepped.size()));
        stepped.Import(flat, own.data());
        return own;
      };
      const std::vector<float> zeros(begin.size());
      AlignedFloats parameters = import(begin), mean = import(zeros), variance = import(zeros);
      AlignedFloats plain = import(begin), plain_mean = import(zeros),
                    plain_variance = import(zeros);
      const AlignedFloats gradients = import(g);
      std::vector<float> exported(begin.size());
      stepped.Export(parameters.data(), exported);
      EXPECT_EQ(exported, begin);

      stepped.Step(adam, {gradients.data(), parameters.data(), mean.data(), variance.data()});
      kernels::BestKernels().adam(adam, gradients.data(), plain.data(), plain_mean.data(),
                                  plain_variance.data(), stepped.size());
      EXPECT_TRUE(std::equal(plain.data(), plain.data() + stepped.size(), parameters.data()));
      EXPECT_TRUE(std::equal(plain_variance.data(), plain_variance.data() + stepped.size(),
                             variance.data()));
      packed.Take(plain.data());
      for (const std::string layer : {"actor.0", "actor.1", "critic.2", "value_head"}) {
        std::vector<std::byte> a(stepped.MatrixOf(layer)->wire_bytes()), b(a.size());
        stepped.MatrixOf(layer)->Write(a.data());
        packed.MatrixOf(layer)->Write(b.data());
        EXPECT_EQ(a, b) << layer;
      }
      // Both packed what the gradients of the inputs need: they compute the same.
      const auto x = Random(64 * 5, 3);
      const NativeMinibatch batch{.chunks = 64, .actor_input = x.data(), .critic_input = x.data()};
      std::vector<std::vector<float>> results;
      for (SparsePolicy* policy : {&stepped, &packed}) {
        const RowNetwork::Heads heads = policy->Forward(plain.data(), batch);
        const std::vector<float> policy_g(static_cast<size_t>(64 * heads.policy_stride), 0.1F);
        const std::vector<float> value_g(static_cast<size_t>(64 * heads.value_stride), 0.1F);
        auto& result = results.emplace_back(static_cast<size_t>(policy->size()));
        policy->Backward(plain.data(), batch, policy_g.data(), value_g.data(), result.data());
      }
      EXPECT_EQ(results[0], results[1]);
    }
  }
}

// Of the weights that take part in both passes, biases and heads: where the gradient is one.
TEST(SparsePolicy, GradientsAreThoseOfFiniteDifferences) {
  const ModelSpec spec = Mlp({24, 37, 20}, Activation::kTanh, false);
  const ParameterLayout layout(spec);
  for (const LayerPatterns& patterns :
       {LayerPatterns{sparse::DensePattern(), sparse::DensePattern()},
        LayerPatterns{{2, 8}, sparse::DensePattern(), true},
        LayerPatterns{{2, 4, 4}, sparse::DensePattern(), true}}) {
    SparsePolicy policy(spec, HiddenSparse(spec, patterns, sparse::Precision::kFloat32), 1);
    std::vector<float> flat = Random(static_cast<int64_t>(layout.num_trainable()), 1);
    for (float& parameter : flat) parameter *= 0.4F;
    const auto x = Random(64 * 5, 2), weights_of_heads = Random(64 * 2 * sparse::kPanel, 3);
    const NativeMinibatch batch{.chunks = 64, .actor_input = x.data(), .critic_input = x.data()};
    std::vector<float> own(static_cast<size_t>(policy.size()));
    // A weighted sum of all outputs, and its gradient at the heads.
    const auto loss = [&](bool choose) {
      policy.Pack(flat, choose);
      const RowNetwork::Heads heads = policy.Forward(policy.taken(), batch);
      double sum = 0;
      for (int64_t row = 0; row < 64; ++row) {
        const float* w = weights_of_heads.data() + row * 2 * sparse::kPanel;
        for (int64_t i = 0; i < 3; ++i) sum += w[i] * heads.policy[row * heads.policy_stride + i];
        sum += w[sparse::kPanel] * heads.value[row * heads.value_stride];
      }
      return sum;
    };
    loss(/*choose=*/true);
    std::vector<float> policy_g(64 * sparse::kPanel), value_g(64 * sparse::kPanel);
    for (size_t row = 0; row < 64; ++row) {
      const float* w = weights_of_heads.data() + row * 2 * sparse::kPanel;
      std::copy_n(w, 3, policy_g.data() + row * sparse::kPanel);
      value_g[row * sparse::kPanel] = w[sparse::kPanel];
    }
    policy.Backward(policy.taken(), batch, policy_g.data(), value_g.data(), own.data());
    std::vector<float> gradients(flat.size());
    policy.Export(own.data(), gradients);

    Rng rng(5, 0);
    int compared = 0;
    for (const ParameterEntry& entry : layout.entries()) {
      if (!entry.trainable) continue;
      for (int i = 0; i < 12; ++i) {
        const size_t place = rng.Below(static_cast<uint64_t>(NumElements(entry.shape)));
        bool takes_part = true;
        for (const SparseLayer* layer : policy.Layers()) {
          if (layer->taking_part() == nullptr || entry.name != layer->name() + ".weight") continue;
          takes_part = layer->taking_part()[place] != 0;
        }
        if (!takes_part) continue;
        float& parameter = flat[entry.offset + place];
        const float before = parameter, step = 2e-2F;
        parameter = before + step;
        const double above = loss(/*choose=*/false);
        parameter = before - step;
        const double below = loss(/*choose=*/false);
        parameter = before;
        EXPECT_NEAR((above - below) / (2 * step), gradients[entry.offset + place],
                    0.02 + 0.01 * std::fabs(gradients[entry.offset + place]))
            << entry.name << " " << place;
        ++compared;
      }
    }
    EXPECT_GT(compared, 80);
  }
}

TEST(SparsePolicy, HasTheSameBitsWithAnyNumberOfThreadsAndKindOfProducts) {
  const ModelSpec spec = Mlp({100, 100, 100}, Activation::kTanh, false);
  const auto x = Random(500 * 5, 2);
  const NativeMinibatch batch{.chunks = 500, .actor_input = x.data(), .critic_input = x.data()};
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Sparsity sparsity = HiddenSparse(spec, {{2, 8}, {2, 8}});
    sparsity.decay = 0.1;
    sparsity.products =
        threads == 2 ? sparse::ProductChoice::kDense : sparse::ProductChoice::kSparse;
    SparsePolicy policy(spec, sparsity, threads);
    const auto parameters = Random(policy.size(), 1);
    policy.Take(parameters.data());
    const RowNetwork::Heads heads = policy.Forward(parameters.data(), batch);
    std::vector<float> gradients(parameters.size());
    const std::vector<float> policy_g(static_cast<size_t>(500 * heads.policy_stride), 0.1F);
    const std::vector<float> value_g(static_cast<size_t>(500 * heads.value_stride), 0.1F);
    policy.Backward(parameters.data(), batch, policy_g.data(), value_g.data(), gradients.data());
    gradients.insert(gradients.end(), heads.policy, heads.policy + 500 * heads.policy_stride);
    results.push_back(gradients);
  }
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(results[2], results[0]);
}

}  // namespace
}  // namespace millrace
