// N:M-sparse layers of convolutional, recurrent and attention networks.
#include "backends/nm_sparse/sparse_modules.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "backends/single_rank_collectives.h"
#include "inference/sparse_model.h"
#include "inference/unpacked_model.h"
#include "models/cnn_module.h"
#include "nm_sparse_backends.h"
#include "unit/models/native_equals_torch.h"

namespace millrace {
namespace {

ModelSpec Common() {
  ModelSpec spec;
  spec.activation = Activation::kTanh;
  spec.shared_trunk = true;
  spec.action = ActionSpec::Discrete(3);
  return spec;
}

ModelSpec Images() {
  ModelSpec spec = Common();
  spec.type = "cnn";
  spec.hidden = {37, 24};
  spec.observation.fields = {{"front", DType::kUInt8, {13, 12, 3}, Extent::kRows},
                             {"speed", DType::kFloat32, {2}, Extent::kRows}};
  spec.convolution = {.images = {"front"}, .filters = {{16, 3, 2}, {20, 2, 1}, {9, 2, 1}}};
  return spec;
}

ModelSpec Entities() {
  ModelSpec spec = Common();
  spec.type = "entity_attention";
  spec.hidden = {36};
  spec.observation.fields = {{"boxes", DType::kFloat32, {4, 7}, Extent::kRows},
                             {"sees_boxes", DType::kUInt8, {4}, Extent::kRows},
                             {"self", DType::kFloat32, {6}, Extent::kRows}};
  spec.entity.sets = {{"boxes", "sees_boxes", "sees_boxes"}};
  spec.entity.embedding = 32;
  return spec;
}

ModelSpec Recurrent() {
  ModelSpec spec = Common();
  spec.type = "lstm";
  spec.hidden = {33, 40};
  spec.lstm_size = 16;
  spec.observation.fields = {{"x", DType::kFloat32, {5}, Extent::kRows}};
  return spec;
}

ModelSpec Layers() {
  ModelSpec spec = Common();
  spec.hidden = {33, 40, 24};
  spec.observation.fields = {{"x", DType::kFloat32, {5}, Extent::kRows}};
  return spec;
}

TensorDict Minibatch(const ModelSpec& spec) {
  torch::manual_seed(5);
  TensorDict items = RandomFields(spec, {4, 40});
  items["first"] = torch::randint(0, 4, {4, 40}).eq(0).to(torch::kUInt8);
  items["state"] = torch::randn({40, spec.state_size()});
  return items;
}

// A loss of all heads, and its gradients.
void TrainStep(Backend& backend, const TensorDict& items) {
  auto heads = backend.Forward(items);
  ASSERT_TRUE(heads.ok()) << heads.status();
  (heads->logits.pow(2).sum() + (heads->value - 1).pow(2).sum()).backward();
  ASSERT_TRUE(backend.Backward(*heads).ok());
}

// w [out, in] or [out, channels, height, width] with all but the largest of every group set to 0:
// groups of channels, or, `by_outputs`, of outputs.
torch::Tensor Masked(const torch::Tensor& w, const sparse::Pattern& pattern, bool by_outputs) {
  const torch::NoGradGuard no_gradient;
  const bool filters = w.dim() == 4;
  // The grouped direction last.
  torch::Tensor x = filters ? w.permute({0, 2, 3, 1}) : w;
  if (by_outputs) x = x.movedim(0, -1);
  x = x.contiguous().clone();
  const int64_t length = x.size(-1), lines = x.numel() / length;
  // Without outputs in the way, taps go on where the channels end.
  const int64_t run = by_outputs || !filters ? length : w.numel() / w.size(0);
  float* data = x.data_ptr<float>();
  for (int64_t line = 0; line < lines * length / run; ++line) {
    for (int64_t first = 0; first < run; first += pattern.group) {
      std::vector<int64_t> group(static_cast<size_t>(std::min(pattern.group, run - first)));
      std::iota(group.begin(), group.end(), line * run + first);
      std::stable_sort(group.begin(), group.end(), [&](int64_t a, int64_t b) {
        return std::fabs(data[a]) > std::fabs(data[b]);
      });
      for (size_t n = static_cast<size_t>(pattern.kept); n < group.size(); ++n) data[group[n]] = 0;
    }
  }
  if (by_outputs) x = x.movedim(-1, 0);
  return filters ? x.permute({0, 3, 1, 2}).contiguous() : x.contiguous();
}

// What BDWP is in terms of autograd: the value of the forward weights, the gradient of the input
// through the backward weights, that of the weights as if nothing had been masked.
void ComputeByDefinition(BuiltinPolicy& policy, const Sparsity& sparsity) {
  for (const auto& named : policy.named_modules()) {
    if (std::ranges::count(sparsity.layers, named.key()) == 0) continue;
    auto* layer = dynamic_cast<LayerModule*>(named.value().get());
    auto* convolution = dynamic_cast<ConvolutionModule*>(layer);
    ASSERT_NE(layer, nullptr);
    layer->ComputeWith([=](const torch::Tensor& x) {
      const auto product = [&](const torch::Tensor& input, const torch::Tensor& w) {
        return convolution != nullptr ? torch::conv2d(input, w, {}, convolution->stride())
                                      : torch::linear(input, w);
      };
      const torch::Tensor& w = layer->weight;
      const torch::Tensor forward = Masked(w, sparsity.patterns.forward, false);
      const torch::Tensor backward = sparsity.patterns.backward_as_forward
                                         ? forward
                                         : Masked(w, sparsity.patterns.backward, true);
      const torch::Tensor straight_through = w + (forward - w).detach();
      const torch::Tensor through_input = product(x, backward);
      std::vector<int64_t> sizes(convolution != nullptr ? 4 : 1, 1);
      sizes[convolution != nullptr ? 1 : 0] = layer->bias.size(0);
      return product(x.detach(), straight_through) + through_input - through_input.detach() +
             layer->bias.view(sizes);
    });
  }
}

struct Case {
  const char* name;
  ModelSpec spec;
  ModuleProducts products;
  std::map<std::string, std::string> options;

  Sparsity sparsity() const {
    auto all = options;
    all["precision"] = "float32";
    return SparsityOf(spec, all);
  }
  std::unique_ptr<NmSparseBackend> MakeBackend() const {
    return Make(spec, sparsity(), /*threads=*/1, /*seed=*/3, products);
  }
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const auto& [name, spec, products] :
       {std::tuple{"cnn", Images(), ModuleProducts::kKernels},
        {"entity_attention", Entities(), ModuleProducts::kKernels},
        {"lstm", Recurrent(), ModuleProducts::kKernels},
        {"masked_cnn", Images(), ModuleProducts::kMasked},
        {"masked_entity_attention", Entities(), ModuleProducts::kMasked},
        {"masked_lstm", Recurrent(), ModuleProducts::kMasked},
        {"masked_mlp", Layers(), ModuleProducts::kMasked}}) {
    cases.push_back({name, spec, products, {{"pattern", "2:8"}}});
    cases.push_back({name, spec, products, {{"pattern", "1:4"}, {"backward_pattern", "2:4"}}});
    cases.push_back({name, spec, products, {{"pattern", "2:4"}, {"backward_pattern", "forward"}}});
    cases.push_back({name, spec, products, {{"pattern", "dense"}, {"backward_pattern", "1:8"}}});
  }
  return cases;
}

std::unique_ptr<PackedModel> MakeActor(const ModelSpec& spec, const Sparsity& sparsity) {
  if (spec.type == "mlp") return std::make_unique<SparseModel>(spec, sparsity);
  return std::make_unique<UnpackedModel>(spec, sparsity, *MakeNativeModel(spec));
}

class SparseModulesOf : public testing::TestWithParam<Case> {};

TEST_P(SparseModulesOf, HaveTheHeadsAndGradientsOfTheDefinition) {
  at::set_num_threads(1);
  const ModelSpec& spec = GetParam().spec;
  const Sparsity sparsity = GetParam().sparsity();
  ASSERT_FALSE(sparsity.layers.empty());
  const auto backend = GetParam().MakeBackend();
  auto policy = std::make_shared<BuiltinPolicy>(spec, /*seed=*/3);
  ComputeByDefinition(*policy, sparsity);
  auto defined = *DenseBackend::Create(policy, {}, DenseBackend::Evaluation::kAutograd);
  const TensorDict items = Minibatch(spec);
  TrainStep(*backend, items);
  TrainStep(*defined, items);
  const auto heads = backend->Evaluate(items), expected = defined->Evaluate(items);
  ASSERT_TRUE(heads.ok() && expected.ok());
  ExpectNear(heads->logits, expected->logits, "logits");
  ExpectNear(heads->value, expected->value, "value");
  for (const ParameterEntry& entry : backend->layout().entries()) {
    const torch::Tensor gradient = backend->parameters().Gradient(entry.name);
    const torch::Tensor reference = defined->parameters().Gradient(entry.name);
    const float size = reference.abs().max().item<float>();
    EXPECT_LE((gradient - reference).abs().max().item<float>(), 1e-5F * size + 1e-6F) << entry.name;
  }
}

TEST_P(SparseModulesOf, PublishedWeightsActAsTheTrainerComputes) {
  const ModelSpec& spec = GetParam().spec;
  const Sparsity sparsity = GetParam().sparsity();
  const auto backend = GetParam().MakeBackend();
  const TensorDict items = Minibatch(spec);
  const auto group = MakeSingleRankCollectives();
  TrainStep(*backend, items);
  ASSERT_TRUE(backend->Step({.learning_rate = 0.01}, *group).ok());
  ASSERT_TRUE(backend->EndBatch({.progress = 0.5, .sample = [&](int64_t) { return items; }}).ok());
  std::vector<std::byte> published(backend->published_bytes()), blob(backend->layout().bytes());
  backend->Publish(published);
  backend->Snapshot(blob);
  if (!sparse::IsDense(sparsity.patterns.forward) && spec.type != "mlp") {
    EXPECT_LT(published.size(), blob.size());  // heads of an mlp are padded to whole panels
  }
  const auto heads = backend->Evaluate(items);
  ASSERT_TRUE(heads.ok()) << heads.status();
  for (const bool from_checkpoint : {false, true}) {
    const auto made = MakeActor(spec, sparsity);
    PackedModel& model = *made;
    EXPECT_EQ(model.weight_bytes(), published.size());
    EXPECT_EQ(model.layout_hash(), backend->published_hash());
    const absl::Status loaded =
        from_checkpoint ? model.LoadParameters(blob) : model.Load(published);
    ASSERT_TRUE(loaded.ok()) << loaded;
    torch::Tensor state = items.at("state").clone();
    for (int64_t step = 0; step < 4; ++step) {
      if (spec.state_size() > 0) {
        state.masked_fill_(items.at("first")[step].unsqueeze(-1) == 1, 0.0F);
      }
      TensorDict now;
      for (const Field& field : spec.observation.fields) {
        now[ObservationField(field.name)] = items.at(ObservationField(field.name))[step];
      }
      const HeadOutputs acted = NativeStep(model, spec, now, state);
      ExpectNear(acted.logits, heads->logits[step], "logits");
      ExpectNear(acted.value, heads->value[step], "value");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SparseModulesOf, testing::ValuesIn(Cases()),
                         [](const testing::TestParamInfo<Case>& one) {
                           return one.param.name + std::to_string(one.index);
                         });

// Trains three batches, from a checkpoint of another backend after the first one if `resume`.
std::vector<std::byte> TrainedWeights(const ModelSpec& spec, const Sparsity& sparsity, int threads,
                                      bool resume,
                                      ModuleProducts products = ModuleProducts::kKernels) {
  at::set_num_threads(1);
  const auto group = MakeSingleRankCollectives();
  const TensorDict items = Minibatch(spec);
  auto backend = Make(spec, sparsity, threads, /*seed=*/3, products);
  for (int batch = 0; batch < 3; ++batch) {
    TrainStep(*backend, items);
    EXPECT_TRUE(backend->Step({.learning_rate = 0.01}, *group).ok());
    EXPECT_TRUE(
        backend->EndBatch({.progress = 0.1, .sample = [&](int64_t) { return items; }}).ok());
    if (batch > 0 || !resume) continue;
    std::vector<std::byte> blob(backend->layout().bytes());
    backend->Snapshot(blob);
    std::map<std::string, torch::Tensor> state;
    for (const auto& [name, tensor] : backend->OptimizerState()) state[name] = tensor.clone();
    backend = Make(spec, sparsity, threads, /*seed=*/3, products);
    EXPECT_TRUE(backend->LoadWeights(blob).ok());
    EXPECT_TRUE(backend->LoadOptimizerState(state).ok());
  }
  std::vector<std::byte> blob(backend->layout().bytes());
  backend->Snapshot(blob);
  return blob;
}

TEST(SparseModules, HaveTheSameBitsWithMoreThreadsDenseKernelsAndAfterAResume) {
  for (const ModelSpec& spec : {Images(), Entities(), Recurrent()}) {
    const auto with = [&](const char* products) {
      return SparsityOf(spec,
                        {{"pattern", "2:8"}, {"products", products}, {"refresh_interval", "2"}});
    };
    const auto expected = TrainedWeights(spec, with("sparse"), 1, false);
    EXPECT_EQ(TrainedWeights(spec, with("sparse"), 3, false), expected) << spec.type;
    EXPECT_EQ(TrainedWeights(spec, with("dense"), 1, false), expected) << spec.type;
    EXPECT_EQ(TrainedWeights(spec, with("sparse"), 1, true), expected) << spec.type;
  }
}

std::vector<float> FloatsOf(const std::vector<std::byte>& blob) {
  std::vector<float> numbers(blob.size() / sizeof(float));
  std::memcpy(numbers.data(), blob.data(), blob.size());
  return numbers;
}

// Each on its way through a run: choices by batch and by step, a pull to zero, dense at first.
TEST(SparseModules, MaskedLayersTrainAsKernelsAndGoOnFromCheckpointsWithTheSameBits) {
  const std::vector<std::map<std::string, std::string>> all = {
      {{"pattern", "2:8"}},
      {{"pattern", "2:4"}, {"refresh", "per_step"}, {"refresh_interval", "2"}, {"decay", "0.1"}},
      {{"pattern", "2:8"}, {"backward_pattern", "forward"}, {"refresh", "never"}},
      {{"pattern", "1:8"}, {"dense_until", "0.05"}},
      {{"pattern", "2:8"}, {"dense_until", "0.5"}}};
  for (const ModelSpec& spec : {Images(), Entities(), Recurrent(), Layers()}) {
    for (auto options : all) {
      SCOPED_TRACE(spec.type + ", " + options.at("pattern"));
      options["precision"] = "float32";
      const Sparsity sparsity = SparsityOf(spec, options);
      const auto masked = TrainedWeights(spec, sparsity, 1, false, ModuleProducts::kMasked);
      EXPECT_EQ(TrainedWeights(spec, sparsity, 1, true, ModuleProducts::kMasked), masked);
      const auto expected = FloatsOf(TrainedWeights(spec, sparsity, 1, false));
      const auto got = FloatsOf(masked);
      for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(got[i], expected[i], 2e-4) << i;
    }
  }
}

TEST(SparseModules, FixedMasksStayAndDecayPulls) {
  const ModelSpec spec = Images();
  const auto zeros = [&](const torch::Tensor& w) { return (w == 0).sum().item<int64_t>(); };
  const Sparsity fixed = SparsityOf(spec, {{"pattern", "2:8"}, {"refresh", "never"}});
  const auto backend = Make(spec, fixed);
  const torch::Tensor filters = backend->parameters().Weight("trunk.image.front.1.weight");
  const int64_t left_out = filters.numel() * 3 / 4;
  EXPECT_EQ(zeros(filters), left_out);
  const auto group = MakeSingleRankCollectives();
  TrainStep(*backend, Minibatch(spec));
  ASSERT_TRUE(backend->Step({.learning_rate = 0.01}, *group).ok());
  EXPECT_EQ(zeros(filters), left_out);

  // The gradient that decay adds is that of the weights left out alone.
  const auto plain = Make(spec, SparsityOf(spec, {{"pattern", "2:8"}}));
  const auto decayed = Make(spec, SparsityOf(spec, {{"pattern", "2:8"}, {"decay", "0.5"}}));
  TrainStep(*plain, Minibatch(spec));
  TrainStep(*decayed, Minibatch(spec));
  for (const char* name : {"trunk.image.front.1.weight", "trunk.1.weight"}) {
    const torch::Tensor w = plain->parameters().Weight(name);
    const torch::Tensor kept = Masked(w, {2, 8}, false) != 0;
    const torch::Tensor added =
        decayed->parameters().Gradient(name) - plain->parameters().Gradient(name);
    ExpectNear(added, torch::where(kept, torch::zeros_like(w), 0.5 * w), name);
  }
}

TEST(SparseModules, LayersThatReadObservationsAreDenseUnlessNamed) {
  const auto layers = [](const ModelSpec& spec) {
    return SparsityOf(spec, {{"pattern", "2:8"}}).layers;
  };
  EXPECT_EQ(layers(Images()),
            (std::vector<std::string>{"trunk.image.front.1", "trunk.image.front.2", "trunk.0",
                                      "trunk.1"}));
  EXPECT_EQ(layers(Entities()), (std::vector<std::string>{"trunk.attention.0.qkv",
                                                          "trunk.attention.0.out", "trunk.0"}));
  EXPECT_EQ(layers(Recurrent()), std::vector<std::string>{"trunk.1"});
  EXPECT_EQ(SparsityOf(Images(), {{"pattern", "2:8"}, {"layers", "trunk.image.*0"}}).layers,
            std::vector<std::string>{"trunk.image.front.0"});
}

}  // namespace
}  // namespace millrace
