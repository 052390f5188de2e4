// Training and acting on every device LibTorch finds, beside the CPU. On a machine without a GPU
// the CPU is compared with itself, so that the test's own code is run.
#include <gtest/gtest.h>

#include <cmath>

#include "backends/dense/dense_backend.h"
#include "backends/nm_sparse/nm_sparse_backend.h"
#include "backends/nm_sparse/semi_structured_matrix.h"
#include "backends/single_rank_collectives.h"
#include "models/torch_device.h"
#include "models/torch_inference_model.h"

namespace millrace {
namespace {

constexpr int64_t kSteps = 4, kRows = 6;

std::vector<std::string> Devices() {
  std::vector<std::string> devices = {"cpu"};
  for (int64_t i = 0; i < static_cast<int64_t>(torch::cuda::device_count()); ++i) {
    devices.push_back("cuda:" + std::to_string(i));
  }
  return devices;
}

ModelSpec Spec(const std::string& type) {
  ModelSpec spec;
  spec.type = type;
  spec.hidden = {32, 32};
  spec.shared_trunk = type == "lstm" || type == "gru";
  if (type == "lstm" || type == "entity_attention") spec.lstm_size = 16;
  if (type == "gru") spec.gru_size = 16;
  spec.normalize_observation = spec.normalize_value = true;
  spec.observation.fields = {{"x", DType::kFloat32, {5}, Extent::kRows}};
  if (type == "entity_attention") {
    spec.observation.fields.push_back({"boxes", DType::kFloat32, {3, 4}, Extent::kRows});
    spec.observation.fields.push_back({"seen", DType::kUInt8, {3}, Extent::kRows});
    spec.entity.sets = {{.field = "boxes", .mask = "seen"}};
  }
  if (type == "cnn") {
    spec.observation.fields.push_back({"picture", DType::kUInt8, {8, 7, 3}, Extent::kRows});
    spec.convolution = {.images = {"picture"}, .filters = {{6, 3, 2}, {5, 2, 1}}};
  }
  spec.action = ActionSpec::Discrete(3);
  spec.action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
  return spec;
}

class DeviceParity : public testing::TestWithParam<std::tuple<std::string, const char*>> {
 protected:
  void SetUp() override {
    torch::set_num_threads(1);                     // as in a worker: sums in one order
    at::globalContext().setAllowTF32CuDNN(false);  // convolutions would round inputs to 10 bits
  }

  torch::Device device() const { return FindDevice(std::get<0>(GetParam())).value(); }
  ModelSpec spec() const { return Spec(std::get<1>(GetParam())); }

  std::shared_ptr<Policy> PolicyOn(torch::Device where) const {
    auto policy = MakePolicy(spec(), /*seed=*/3).value();
    policy->to(where);
    return policy;
  }
};

TensorDict Minibatch(int64_t state_size, torch::Device device) {
  torch::manual_seed(5);
  TensorDict batch = {
      {"observation/x", torch::randn({kSteps, kRows, 5})},
      {"observation/boxes", torch::randn({kSteps, kRows, 3, 4})},
      {"observation/seen", torch::randint(0, 2, {kSteps, kRows, 3}, torch::kUInt8)},
      {"observation/picture", torch::randint(0, 256, {kSteps, kRows, 8, 7, 3}, torch::kUInt8)},
      {"first", torch::randint(0, 2, {kSteps, kRows}, torch::kUInt8)}};
  if (state_size > 0) batch["state"] = torch::randn({kRows, state_size});
  for (auto& [name, tensor] : batch) tensor = tensor.to(device);
  return batch;
}

// Some steps of a loss that depends on every head, with normalisers; the weights after them.
std::vector<float> Train(DenseBackend& backend) {
  const auto group = MakeSingleRankCollectives();
  const TensorDict batch = Minibatch(backend.state_size(), backend.device());
  const torch::Tensor targets = batch.at("observation/x").sum(-1).flatten();
  for (int step = 0; step < 5; ++step) {
    const HeadOutputs heads = backend.Forward(batch).value();
    const auto loss = heads.logits.log_softmax(-1).select(-1, 0).mean() +
                      heads.mean.square().mean() + heads.log_std.exp().sum() +
                      (heads.value.flatten() - backend.NormalizeValue(targets)).square().mean();
    loss.backward();
    EXPECT_TRUE(backend.Backward(heads).ok());
    EXPECT_FALSE(backend.Step({.learning_rate = 1e-2}, *group).value().skipped);
    EXPECT_TRUE(backend.UpdateNormalizers(batch, targets, *group).ok());
    EXPECT_TRUE(backend.EndBatch({.progress = 0, .sample = [&](int64_t) { return batch; }}).ok());
  }
  std::vector<float> weights(backend.layout().num_floats());
  backend.Snapshot(std::as_writable_bytes(std::span(weights)));
  return weights;
}

TEST_P(DeviceParity, TrainsAsOnTheCpu) {
  auto reference = DenseBackend::Create(PolicyOn(torch::kCPU), {}, DenseBackend::Evaluation::kAuto);
  auto backend = DenseBackend::Create(PolicyOn(device()), {}, DenseBackend::Evaluation::kAuto);
  ASSERT_TRUE(reference.ok() && backend.ok());
  EXPECT_EQ((*backend)->device(), device());
  const auto expected = Train(**reference), got = Train(**backend);
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(got[i], expected[i], 2e-4 * (1 + std::abs(expected[i]))) << i;
  }
  for (const auto& [name, tensor] : (*backend)->OptimizerState()) {
    EXPECT_TRUE(tensor.is_cpu()) << name;
  }
}

TEST_P(DeviceParity, TrainsSparseLayersAsOnTheCpu) {
  Options options;
  options.Set("pattern", {.items = {"2:4"}});
  options.Set("precision", {.items = {"float32"}});
  const auto sparsity = Sparsity::FromOptions(options, spec());
  ASSERT_TRUE(sparsity.ok()) << sparsity.status();
  const auto make = [&](torch::Device where, ModuleProducts products) {
    return NmSparseBackend::Create(std::dynamic_pointer_cast<BuiltinPolicy>(PolicyOn(where)), {},
                                   *sparsity, /*threads=*/1, products);
  };
  auto reference = make(torch::kCPU, ModuleProducts::kKernels);
  auto backend = make(device(), ModuleProducts::kMasked);
  ASSERT_TRUE(reference.ok() && backend.ok()) << reference.status();
  EXPECT_EQ((*backend)->device(), device());
  const auto expected = Train(**reference), got = Train(**backend);
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(got[i], expected[i], 2e-4 * (1 + std::abs(expected[i]))) << i;
  }
  EXPECT_EQ((*backend)->published_bytes(), (*reference)->published_bytes());
}

TEST_P(DeviceParity, GoesOnFromACheckpointOfTheCpu) {
  auto reference = DenseBackend::Create(PolicyOn(torch::kCPU), {}, DenseBackend::Evaluation::kAuto);
  auto backend = DenseBackend::Create(PolicyOn(device()), {}, DenseBackend::Evaluation::kAuto);
  ASSERT_TRUE(reference.ok() && backend.ok());
  const auto weights = Train(**reference);
  ASSERT_TRUE((*backend)->LoadWeights(std::as_bytes(std::span(weights))).ok());
  ASSERT_TRUE((*backend)->LoadOptimizerState((*reference)->OptimizerState()).ok());
  const auto expected = Train(**reference), got = Train(**backend);
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(got[i], expected[i], 2e-4 * (1 + std::abs(expected[i]))) << i;
  }
}

// Head outputs of one model for observations of its own.
std::vector<float> Act(InferenceModel& model, const ModelSpec& spec) {
  std::vector<std::vector<float>> reals;
  std::vector<std::vector<uint8_t>> bytes;  // of masks and pictures
  std::vector<std::vector<int64_t>> shapes;
  std::vector<TensorView> views;
  for (const Field& field : spec.observation.fields) {
    shapes.push_back(field.shape);
    shapes.back().insert(shapes.back().begin(), kRows);
    const auto size = static_cast<size_t>(NumElements(shapes.back()));
    auto& real = reals.emplace_back(size);
    auto& byte = bytes.emplace_back(size);
    for (size_t i = 0; i < size; ++i) {
      real[i] = std::sin(static_cast<float>(i + reals.size()));
      byte[i] = static_cast<uint8_t>(i % 3 == 1 ? 0 : i % 7);
    }
  }
  for (size_t i = 0; i < reals.size(); ++i) {
    const DType dtype = spec.observation.fields[i].dtype;
    views.push_back({dtype, shapes[i],
                     dtype == DType::kUInt8 ? reinterpret_cast<std::byte*>(bytes[i].data())
                                            : reinterpret_cast<std::byte*>(reals[i].data())});
  }
  std::vector<float> state(static_cast<size_t>(kRows * spec.state_size()), 0.1F);
  std::vector<float> logits(kRows * 3), mean(kRows * 2), log_std(2), value(kRows);
  const absl::Status status = model.Forward(kRows, views, state, {logits, mean, log_std, value});
  EXPECT_TRUE(status.ok()) << status;
  std::vector<float> all;
  for (const auto* part : {&logits, &mean, &log_std, &value, &state}) {
    all.insert(all.end(), part->begin(), part->end());
  }
  return all;
}

TEST_P(DeviceParity, ActsAsTheNativeForward) {
  auto model = MakeTorchInferenceModel(PolicyOn(device()), spec().observation, spec().action);
  auto native = MakeNativeModel(spec());
  ASSERT_TRUE(model.ok() && native.ok()) << model.status();
  std::vector<float> weights((*native)->layout().num_floats());
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = 0.3F + 0.2F * std::cos(static_cast<float>(i));  // variances among them
  }
  for (InferenceModel* each : {model->get(), native->get()}) {
    ASSERT_TRUE(each->Load(std::as_bytes(std::span(weights))).ok());
  }
  const auto expected = Act(**native, spec()), got = Act(**model, spec());
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-4) << i;
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceParity,
                         testing::Combine(testing::ValuesIn(Devices()),
                                          testing::Values("mlp", "lstm", "gru", "entity_attention",
                                                          "cnn")));

// Half of the numbers, and a quarter of them, where a GPU has sparse products and where not.
TEST(SemiStructuredMatrix, MultipliesAsDenseOnEveryDevice) {
  torch::manual_seed(1);
  for (const std::string& name : Devices()) {
    const auto options = torch::dtype(torch::kBFloat16).device(FindDevice(name).value());
    for (const auto& [choice, period] : {std::pair{sparse::ProductChoice::kSparse, 2},
                                         {sparse::ProductChoice::kAuto, 4},
                                         {sparse::ProductChoice::kDense, 2}}) {
      SemiStructuredMatrix matrix(choice);
      for (int step = 0; step < 2; ++step) {  // with other numbers the second time
        const torch::Tensor dense = torch::zeros({96, 256 / period, period}, options);
        dense.select(2, 1).copy_(torch::randn({96, 256 / period}, options));
        matrix.Set(dense.view({96, 256}));
        for (const int64_t rows : {64, 63, 8}) {
          const torch::Tensor x = torch::randn({rows, 256}, options);
          const torch::Tensor expected = at::mm(x, dense.view({96, 256}).t());
          const torch::Tensor got = matrix.Multiply(x);
          EXPECT_LE((got - expected).abs().max().item<float>(),
                    2e-2F * expected.abs().max().item<float>())
              << name << ", " << rows << " rows";
          if (choice != sparse::ProductChoice::kAuto) {
            EXPECT_EQ(matrix.MultipliesSparse(rows),
                      choice == sparse::ProductChoice::kSparse && rows % 8 == 0 &&
                          SemiStructuredMatrix::IsThere(FindDevice(name).value()))
                << name << ", " << rows << " rows";
          }
        }
      }
    }
  }
  EXPECT_FALSE(SemiStructuredMatrix::IsThere(torch::kCPU));
  EXPECT_TRUE(SemiStructuredMatrix::Fits(64, 32, {.kept = 2, .group = 8}));
  EXPECT_FALSE(SemiStructuredMatrix::Fits(64, 32, {.kept = 4, .group = 8}));
  EXPECT_FALSE(SemiStructuredMatrix::Fits(64, 33, {.kept = 2, .group = 4}));
  EXPECT_FALSE(
      SemiStructuredMatrix::Fits(64, 32, {.kept = 2, .group = 4, .shared_by = 16, .tiles = true}));
  EXPECT_FALSE(SemiStructuredMatrix::Fits(64, 32, sparse::DensePattern()));
}

TEST(FindDevice, SaysWhatIsThere) {
  EXPECT_EQ(FindDevice("cpu").value(), torch::Device(torch::kCPU));
  for (const char* name : {"cuda:99", "cuda:", "gpu"}) {
    const auto device = FindDevice(name);
    EXPECT_EQ(device.status().code(), absl::StatusCode::kResourceExhausted) << name;
    EXPECT_NE(std::string(device.status().message()).find(name), std::string::npos);
  }
}

}  // namespace
}  // namespace millrace
