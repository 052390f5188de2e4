#include "backends/nm_sparse/nm_sparse_backend.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "algorithms/ppo.h"
#include "backends/single_rank_collectives.h"
#include "inference/sparse_model.h"
#include "nm_sparse_backends.h"

namespace millrace {
namespace {

constexpr int64_t kRows = 100;

ModelSpec Spec(bool shared_trunk) {
  ModelSpec spec;
  spec.hidden = {48, 40, 33};
  spec.shared_trunk = shared_trunk;
  spec.normalize_observation = true;
  spec.normalize_value = true;
  spec.observation.fields = {{"position", DType::kFloat32, {5}}, {kActionMask, DType::kUInt8, {3}}};
  spec.action = ActionSpec::Discrete(3);
  spec.action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
  return spec;
}

TensorDict Items() {
  torch::manual_seed(5);
  TensorDict items = {{"observation/position", torch::randn({kRows, 5})},
                      {"observation/action_mask", torch::ones({kRows, 3}, torch::kUInt8)},
                      {"log_prob", -1.0 - torch::rand({kRows})},
                      {"value", torch::randn({kRows})},
                      {"advantage", torch::randn({kRows})},
                      {"value_target", torch::randn({kRows})},
                      {"present", torch::ones({kRows}, torch::kUInt8)},
                      {"action/discrete", torch::zeros({kRows, 1}, torch::kInt32)},
                      {"action/continuous", torch::randn({kRows, 2})}};
  items["observation/action_mask"].select(1, 2).zero_();
  return items;
}

std::unique_ptr<Algorithm> MakeAlgorithm(const ActionSpec& action) {
  Options options;
  options.Set("minibatch", {.items = {"50"}, .where = {}, .path = {}});
  return *MakePpo(options, action);
}

std::map<std::string, double> EndBatch(Backend& backend, const TensorDict& items, double progress) {
  const auto numbers =
      backend.EndBatch({.progress = progress, .sample = [&](int64_t) { return items; }});
  EXPECT_TRUE(numbers.ok()) << numbers.status();
  return *numbers;
}

// Two minibatches by rows, then the end of the batch.
void TrainRows(Backend& backend, const TensorDict& items, Algorithm& algorithm,
               double progress = 0) {
  const auto group = MakeSingleRankCollectives();
  RowTrainer& trainer = *backend.row_trainer();
  const RowLoss& loss = *algorithm.row_loss();
  std::vector<double> metrics(loss.metrics().size());
  ASSERT_TRUE(trainer.Begin(items, loss).ok());
  std::vector<int64_t> order(kRows);
  std::iota(order.begin(), order.end(), 0);
  for (const size_t begin : {0, 50}) {
    const auto part = std::span<const int64_t>(order).subspan(begin, 50);
    ASSERT_TRUE(trainer.Train(part, {}, *group, metrics).ok());
  }
  trainer.End();
  ASSERT_TRUE(backend.UpdateNormalizers(items, items.at("value_target"), *group).ok());
  EndBatch(backend, items, progress);
}

// The same as tensors.
void TrainTensors(Backend& backend, const TensorDict& items, Algorithm& algorithm,
                  double progress = 0) {
  const auto group = MakeSingleRankCollectives();
  for (const int64_t begin : {0, 50}) {
    TensorDict minibatch;
    for (const auto& [name, tensor] : items) minibatch[name] = tensor.narrow(0, begin, 50);
    const auto heads = backend.Forward(minibatch);
    ASSERT_TRUE(heads.ok()) << heads.status();
    const auto loss = algorithm.Loss(*heads, minibatch);
    ASSERT_TRUE(loss.ok()) << loss.status();
    loss->loss.backward();
    ASSERT_TRUE(backend.Backward(*heads).ok());
    ASSERT_TRUE(backend.Step({}, *group).ok());
  }
  ASSERT_TRUE(backend.UpdateNormalizers(items, items.at("value_target"), *group).ok());
  EndBatch(backend, items, progress);
}

std::vector<std::byte> SnapshotOf(const Backend& backend) {
  std::vector<std::byte> blob(backend.layout().bytes());
  backend.Snapshot(blob);
  return blob;
}

std::vector<std::byte> PublishedBy(Backend& backend) {
  std::vector<std::byte> blob(backend.published_bytes());
  backend.Publish(blob);
  return blob;
}

struct Outputs {
  std::vector<float> logits = std::vector<float>(kRows * 3);
  std::vector<float> mean = std::vector<float>(kRows * 2);
  std::vector<float> log_std = std::vector<float>(2);
  std::vector<float> value = std::vector<float>(kRows);
};

Outputs Act(InferenceModel& model, const TensorDict& items) {
  Outputs out;
  std::vector<TensorView> views;
  for (const char* name : {"observation/position", "observation/action_mask"}) {
    const torch::Tensor& tensor = items.at(name);
    const bool floats = tensor.scalar_type() == torch::kFloat32;
    views.push_back({.dtype = floats ? DType::kFloat32 : DType::kUInt8,
                     .shape = {tensor.sizes().data(), tensor.sizes().size()},
                     .data = static_cast<std::byte*>(tensor.data_ptr())});
  }
  const absl::Status status = model.Forward(
      kRows, views, {},
      {.logits = out.logits, .mean = out.mean, .log_std = out.log_std, .value = out.value});
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

class NmSparse : public testing::TestWithParam<std::map<std::string, std::string>> {};

TEST_P(NmSparse, PublishedWeightsActAsTheTrainerComputes) {
  for (const bool shared_trunk : {false, true}) {
    const ModelSpec spec = Spec(shared_trunk);
    const Sparsity sparsity = SparsityOf(spec, GetParam());
    const auto backend = Make(spec, sparsity);
    const TensorDict items = Items();
    const auto algorithm = MakeAlgorithm(spec.action);
    TrainRows(*backend, items, *algorithm);

    SparseModel model(spec, sparsity);
    EXPECT_EQ(model.weight_bytes(), backend->published_bytes());
    EXPECT_EQ(model.layout_hash(), backend->published_hash());
    ASSERT_TRUE(model.Load(PublishedBy(*backend)).ok());
    const Outputs acted = Act(model, items);
    const auto heads = backend->Forward(items);
    ASSERT_TRUE(heads.ok()) << heads.status();
    const torch::Tensor value = backend->DenormalizeValue(heads->value.detach());
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t i = 0; i < 2; ++i) {  // the third choice is masked by whoever samples
        EXPECT_NEAR(acted.logits[static_cast<size_t>(row * 3 + i)],
                    heads->logits[row][i].item<float>(), 1e-5);
        EXPECT_NEAR(acted.mean[static_cast<size_t>(row * 2 + i)], heads->mean[row][i].item<float>(),
                    1e-5);
      }
      EXPECT_NEAR(acted.value[static_cast<size_t>(row)], value[row].item<float>(), 1e-5);
    }

    // Whoever has the parameters alone, from a checkpoint, chooses the same weights.
    SparseModel from_checkpoint(spec, sparsity);
    ASSERT_TRUE(from_checkpoint.LoadParameters(SnapshotOf(*backend)).ok());
    const Outputs again = Act(from_checkpoint, items);
    EXPECT_EQ(again.logits, acted.logits);
    EXPECT_EQ(again.mean, acted.mean);
    EXPECT_EQ(again.value, acted.value);
    EXPECT_EQ(again.log_std, acted.log_std);
  }
}

TEST_P(NmSparse, RowsAndTensorsTrainAlike) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const Sparsity sparsity = SparsityOf(spec, GetParam());
  const auto rows = Make(spec, sparsity), tensors = Make(spec, sparsity, /*threads=*/2);
  const TensorDict items = Items();
  const auto algorithm = MakeAlgorithm(spec.action);
  TrainRows(*rows, items, *algorithm);
  TrainTensors(*tensors, items, *algorithm);
  const torch::Tensor a = rows->parameters().weights(), b = tensors->parameters().weights();
  // Adam's first steps are as large as the learning rate, whatever the gradient's size.
  EXPECT_LT((a - b).abs().max().item<float>(), 2e-4);
  EXPECT_LT((a - b).abs().mean().item<float>(), 1e-6);
}

TEST_P(NmSparse, GoesOnFromACheckpointWithTheSameBits) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const Sparsity sparsity = SparsityOf(spec, GetParam());
  const TensorDict items = Items();
  const auto algorithm = MakeAlgorithm(spec.action);
  const auto whole = Make(spec, sparsity);
  TrainRows(*whole, items, *algorithm, /*progress=*/0.3);
  const auto weights = SnapshotOf(*whole);
  const auto state = whole->OptimizerState();
  TrainRows(*whole, items, *algorithm);

  const auto resumed = Make(spec, sparsity, /*threads=*/2, /*seed=*/9);
  ASSERT_TRUE(resumed->LoadWeights(weights).ok());
  ASSERT_TRUE(resumed->LoadOptimizerState(state).ok());
  TrainRows(*resumed, items, *algorithm);
  EXPECT_EQ(SnapshotOf(*resumed), SnapshotOf(*whole));
  EXPECT_EQ(PublishedBy(*resumed), PublishedBy(*whole));
}

using Values = std::map<std::string, std::string>;

INSTANTIATE_TEST_SUITE_P(Options, NmSparse,
                         testing::Values(Values{{"pattern", "2:8"}},
                                         Values{{"pattern", "2:4"}, {"precision", "float32"}},
                                         Values{{"pattern", "1:8"}, {"shared_by", "4"}},
                                         Values{{"pattern", "dense"}, {"backward_pattern", "4:16"}},
                                         Values{{"backward_pattern", "forward"}, {"decay", "0.01"}},
                                         Values{{"backward_pattern", "forward"},
                                                {"refresh", "never"}},
                                         Values{{"refresh", "per_step"}},
                                         Values{{"decay", "0.5"}, {"decay_fades", "true"}},
                                         Values{{"tiles", "true"}, {"products", "dense"}}),
                         [](const auto& one) { return "Number" + std::to_string(one.index); });

TEST(NmSparseBackend, ChoosesOnceInSoManyIterations) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const Sparsity sparsity = SparsityOf(spec, {{"pattern", "2:4"}, {"refresh_interval", "2"}});
  const TensorDict items = Items();
  const auto algorithm = MakeAlgorithm(spec.action);
  auto backend = Make(spec, sparsity);
  // Parameters far from those at the beginning.
  backend->parameters().trainable().normal_();
  EXPECT_EQ(EndBatch(*backend, items, 0), (std::map<std::string, double>{{"dense", 0}}));

  // Whoever goes on from here has the same weights chosen, and chooses at the same time.
  const auto weights = SnapshotOf(*backend), published = PublishedBy(*backend);
  const auto state = backend->OptimizerState();
  const auto resumed = Make(spec, sparsity, /*threads=*/2, /*seed=*/9);
  ASSERT_TRUE(resumed->LoadWeights(weights).ok());
  EXPECT_NE(PublishedBy(*resumed), published);
  ASSERT_TRUE(resumed->LoadOptimizerState(state).ok());
  EXPECT_EQ(PublishedBy(*resumed), published);
  const auto numbers = EndBatch(*backend, items, 0);
  EXPECT_EQ(EndBatch(*resumed, items, 0), numbers);
  EXPECT_EQ(PublishedBy(*resumed), PublishedBy(*backend));
  EXPECT_NE(PublishedBy(*backend), published);
  // Of random weights half take part; half of those before are others now.
  EXPECT_NEAR(numbers.at("flip_rate"), 0.5, 0.05);
  EXPECT_NEAR(numbers.at("backward_flip_rate"), 0.5, 0.05);
  EXPECT_NEAR(numbers.at("sad"), numbers.at("flip_rate") * 2 * (48 * 40 + 40 * 33), 0.5);
  EXPECT_GT(numbers.at("refresh_kl"), 1e-3);
  EXPECT_EQ(EndBatch(*backend, items, 0), numbers) << "they stay until the next choice";
}

TEST(NmSparseBackend, DivergenceIsThatOfThePoliciesAroundAChoice) {
  const ModelSpec spec = Spec(/*shared_trunk=*/true);
  const auto backend = Make(spec, SparsityOf(spec, {{"pattern", "2:4"}}));
  const TensorDict items = Items();
  // Nothing changed: the same weights are chosen.
  const auto numbers = EndBatch(*backend, items, 0);
  EXPECT_EQ(numbers.at("refresh_kl"), 0);
  EXPECT_EQ(numbers.at("sad"), 0);
}

TEST(NmSparseBackend, AllWeightsTakePartAtBothEnds) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const Values dense_ends = {{"pattern", "2:8"}, {"dense_until", "0.2"}, {"dense_from", "0.8"}};
  const Sparsity sparsity = SparsityOf(spec, dense_ends);
  const auto backend = Make(spec, sparsity),
             dense = Make(spec, SparsityOf(spec, {{"pattern", "dense"}}));
  const TensorDict items = Items();
  const auto algorithm = MakeAlgorithm(spec.action);
  SparseModel model(spec, sparsity), dense_model(spec, SparsityOf(spec, {{"pattern", "dense"}}));
  EXPECT_EQ(model.weight_bytes(), backend->published_bytes());
  const auto act = [&] {
    EXPECT_TRUE(model.Load(PublishedBy(*backend)).ok());
    return Act(model, items).logits;
  };
  TrainRows(*backend, items, *algorithm, 0.1);
  TrainRows(*dense, items, *algorithm);
  EXPECT_EQ(SnapshotOf(*backend), SnapshotOf(*dense));
  ASSERT_TRUE(dense_model.Load(PublishedBy(*dense)).ok());
  EXPECT_EQ(act(), Act(dense_model, items).logits);
  // In the middle a checkpoint, and one that goes on from it.
  TrainRows(*backend, items, *algorithm, 0.2);
  EXPECT_NE(act(), Act(dense_model, items).logits);
  const auto resumed = Make(spec, sparsity, /*threads=*/1, /*seed=*/9);
  ASSERT_TRUE(resumed->LoadWeights(SnapshotOf(*backend)).ok());
  ASSERT_TRUE(resumed->LoadOptimizerState(backend->OptimizerState()).ok());
  EXPECT_EQ(PublishedBy(*resumed), PublishedBy(*backend));
  for (const double progress : {0.5, 0.8, 0.9}) {
    TrainRows(*backend, items, *algorithm, progress);
    TrainRows(*resumed, items, *algorithm, progress);
  }
  EXPECT_EQ(SnapshotOf(*resumed), SnapshotOf(*backend));
  ASSERT_TRUE(dense_model.LoadParameters(SnapshotOf(*backend)).ok());
  EXPECT_EQ(act(), Act(dense_model, items).logits);
  // From a checkpoint of a run that ends dense one acts densely.
  ASSERT_TRUE(model.LoadParameters(SnapshotOf(*backend)).ok());
  EXPECT_EQ(Act(model, items).logits, Act(dense_model, items).logits);
}

TEST(NmSparseBackend, ThePullToZeroFades) {
  const ModelSpec spec = Spec(/*shared_trunk=*/true);
  const TensorDict items = Items();
  // What it adds to the gradients after a batch that ended at `progress`.
  const auto added = [&](double progress) {
    torch::Tensor difference;
    for (const Values& options : {Values{}, {{"decay", "0.5"}, {"decay_fades", "true"}}}) {
      const auto backend = Make(spec, SparsityOf(spec, options));
      EndBatch(*backend, items, progress);
      const auto heads = backend->Forward(items);
      EXPECT_TRUE(heads.ok()) << heads.status();
      (heads->logits.sum() + heads->value.sum()).backward();
      EXPECT_TRUE(backend->Backward(*heads).ok());
      const torch::Tensor gradients = backend->parameters().gradients();
      difference = difference.defined() ? gradients - difference : gradients.clone();
    }
    return difference;
  };
  const torch::Tensor whole = added(0);
  EXPECT_GT(whole.abs().max().item<float>(), 0.01F);
  EXPECT_TRUE(torch::allclose(added(0.75), 0.25 * whole, 1e-4, 1e-5));
  EXPECT_TRUE(torch::allclose(added(1), torch::zeros_like(whole), 0, 1e-6));
}

TEST(NmSparseBackend, FixedWeightsStayChosenAndTheOthersZero) {
  const ModelSpec spec = Spec(/*shared_trunk=*/true);
  const auto backend = Make(
      spec, SparsityOf(spec, {{"pattern", "2:8"}, {"refresh", "never"}, {"dense_until", "0.5"}}));
  const TensorDict items = Items();
  const auto algorithm = MakeAlgorithm(spec.action);
  const ParameterEntry& weight = *backend->layout().Find("trunk.1.weight");
  const auto taking_part = [&] {
    return backend->parameters()
        .trainable()
        .narrow(0, static_cast<int64_t>(weight.offset), NumElements(weight.shape))
        .ne(0);
  };
  TrainRows(*backend, items, *algorithm, 0.4);
  EXPECT_TRUE(taking_part().all().item<bool>());
  TrainRows(*backend, items, *algorithm, 0.6);
  const torch::Tensor fixed = taking_part();
  EXPECT_NEAR(fixed.to(torch::kFloat32).mean().item<float>(), 0.25, 1e-6);
  TrainRows(*backend, items, *algorithm, 0.7);
  TrainTensors(*backend, items, *algorithm, 0.8);
  EXPECT_TRUE(torch::equal(taking_part(), fixed));
}

TEST(NmSparseBackend, FixedWeightsOfACheckpointStayFixed) {
  const ModelSpec spec = Spec(/*shared_trunk=*/true);
  const TensorDict items = Items();
  const auto algorithm = MakeAlgorithm(spec.action);
  // In the dense end all weights count again, and are there when the run goes on.
  const Sparsity sparsity =
      SparsityOf(spec, {{"pattern", "2:8"}, {"refresh", "never"}, {"dense_from", "0.8"}});
  const auto backend = Make(spec, sparsity);
  TrainRows(*backend, items, *algorithm, 0.8);
  TrainRows(*backend, items, *algorithm, 0.9);
  const auto resumed = Make(spec, sparsity, /*threads=*/1, /*seed=*/9);
  ASSERT_TRUE(resumed->LoadWeights(SnapshotOf(*backend)).ok());
  ASSERT_TRUE(resumed->LoadOptimizerState(backend->OptimizerState()).ok());
  EXPECT_EQ(SnapshotOf(*resumed), SnapshotOf(*backend));
  EXPECT_EQ(PublishedBy(*resumed), PublishedBy(*backend));

  // Of a dense run's checkpoint what is left out is set to zero, and does not move on.
  const auto dense = Make(spec, SparsityOf(spec, {{"pattern", "dense"}}));
  TrainRows(*dense, items, *algorithm);
  const auto fixed = Make(spec, SparsityOf(spec, {{"pattern", "2:8"}, {"refresh", "never"}}));
  ASSERT_TRUE(fixed->LoadWeights(SnapshotOf(*dense)).ok());
  ASSERT_TRUE(fixed->LoadOptimizerState(dense->OptimizerState()).ok());
  TrainRows(*fixed, items, *algorithm);
  const ParameterEntry& weight = *fixed->layout().Find("trunk.1.weight");
  const torch::Tensor w = fixed->parameters().trainable().narrow(
      0, static_cast<int64_t>(weight.offset), NumElements(weight.shape));
  EXPECT_NEAR(w.ne(0).to(torch::kFloat32).mean().item<float>(), 0.25, 1e-6);
}

TEST(NmSparseBackend, SecondMomentsStayAsTheDenseBeginningLeftThem) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const Sparsity sparsity =
      SparsityOf(spec, {{"pattern", "2:8"}, {"dense_until", "0.5"}, {"freeze_variance", "true"}});
  const auto rows = Make(spec, sparsity), tensors = Make(spec, sparsity);
  const TensorDict items = Items();
  const auto algorithm = MakeAlgorithm(spec.action);
  for (const double progress : {0.0, 0.5}) {
    TrainRows(*rows, items, *algorithm, progress);
    TrainTensors(*tensors, items, *algorithm, progress);
  }
  const auto variance = rows->OptimizerState().at("adam.variance");
  EXPECT_GT(variance.max().item<float>(), 0);
  TrainRows(*rows, items, *algorithm, 0.6);
  TrainTensors(*tensors, items, *algorithm, 0.6);
  EXPECT_TRUE(torch::equal(rows->OptimizerState().at("adam.variance"), variance));
  const torch::Tensor a = rows->parameters().weights(), b = tensors->parameters().weights();
  EXPECT_LT((a - b).abs().mean().item<float>(), 1e-6);
}

TEST(NmSparseBackend, GoesOnFromADenseBackendsCheckpoint) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const auto dense = DenseBackend::Create(std::make_shared<BuiltinPolicy>(spec, 4), {});
  ASSERT_TRUE(dense.ok()) << dense.status();
  const auto backend = Make(spec, SparsityOf(spec, {{"pattern", "2:8"}}));
  ASSERT_TRUE(backend->LoadWeights(SnapshotOf(**dense)).ok());
  EXPECT_TRUE(backend->LoadOptimizerState((*dense)->OptimizerState()).ok());
  EXPECT_TRUE((*dense)->LoadOptimizerState(backend->OptimizerState()).ok());
  // One of other patterns chooses its own, though they be as many.
  const std::vector<Values> others = {{{"pattern", "4:8"}},
                                      {{"pattern", "2:8"}, {"backward_pattern", "4:16"}}};
  for (const Values& other : others) {
    const auto resumed = Make(spec, SparsityOf(spec, other), /*threads=*/1, /*seed=*/9);
    ASSERT_TRUE(resumed->LoadWeights(SnapshotOf(*backend)).ok());
    const auto published = PublishedBy(*resumed);
    EXPECT_TRUE(resumed->LoadOptimizerState(backend->OptimizerState()).ok());
    EXPECT_EQ(PublishedBy(*resumed), published);
  }
}

TEST(NmSparseBackend, GoesBackToTheStartOfABatch) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const auto backend = Make(spec, SparsityOf(spec, {{"pattern", "2:8"}}));
  const TensorDict items = Items();
  const auto algorithm = MakeAlgorithm(spec.action);
  TrainRows(*backend, items, *algorithm);
  const auto weights = SnapshotOf(*backend), published = PublishedBy(*backend);
  backend->Checkpoint();
  TrainRows(*backend, items, *algorithm);
  EXPECT_NE(PublishedBy(*backend), published);
  backend->Rollback();
  EXPECT_EQ(SnapshotOf(*backend), weights);
  EXPECT_EQ(PublishedBy(*backend), published);
}

TEST(NmSparseBackend, GoesBackToPlacesThatAreOlderThanABatch) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const auto backend =
      Make(spec, SparsityOf(spec, {{"pattern", "2:8"}, {"refresh_interval", "3"}}));
  const TensorDict items = Items();
  backend->parameters().trainable().normal_();
  EndBatch(*backend, items, 0);
  const auto published = PublishedBy(*backend);
  const auto state = backend->OptimizerState();
  backend->Checkpoint();
  for (int batch = 0; batch < 3; ++batch) EndBatch(*backend, items, 0);
  EXPECT_NE(PublishedBy(*backend), published);
  backend->Rollback();
  EXPECT_EQ(PublishedBy(*backend), published);
  for (const auto& [name, tensor] : backend->OptimizerState()) {
    EXPECT_TRUE(torch::equal(tensor, state.at(name))) << name;
  }
}

TEST(NmSparseBackend, PlacesThatCannotHaveBeenWrittenAreRefused) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const auto backend = Make(spec, SparsityOf(spec, {{"pattern", "2:8"}}));
  auto state = backend->OptimizerState();
  state.at("nm_sparse.places").fill_(0xFF);
  EXPECT_EQ(backend->LoadOptimizerState(state).code(), absl::StatusCode::kDataLoss);
  state = Make(spec, SparsityOf(spec, {{"pattern", "2:8"}}))->OptimizerState();
  state.at("nm_sparse.schedule")[4] = -1;  // the bits of no number
  EXPECT_EQ(backend->LoadOptimizerState(state).code(), absl::StatusCode::kDataLoss);
}

// Of a checkpoint whose schedule is another version's.
TEST(NmSparseBackend, PlacesWithoutTheirScheduleAreChosenAnew) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  const Sparsity sparsity = SparsityOf(spec, {{"pattern", "2:8"}});
  const TensorDict items = Items();
  const auto algorithm = MakeAlgorithm(spec.action);
  const auto trained = Make(spec, sparsity), resumed = Make(spec, sparsity);
  const auto chosen = Make(spec, sparsity);
  TrainRows(*trained, items, *algorithm);
  auto state = trained->OptimizerState();
  state.at("nm_sparse.schedule") = torch::zeros({4}, torch::kInt64);
  state.at("nm_sparse.places").fill_(0xFF);
  ASSERT_TRUE(resumed->LoadWeights(SnapshotOf(*trained)).ok());
  const absl::Status loaded = resumed->LoadOptimizerState(state);
  ASSERT_TRUE(loaded.ok()) << loaded;
  ASSERT_TRUE(chosen->LoadWeights(SnapshotOf(*trained)).ok());
  EXPECT_EQ(PublishedBy(*resumed), PublishedBy(*chosen));
}

// As a run with init_from begins: the state is that of the weights.
TEST(NmSparseBackend, LoadedWeightsAreChosenByThemselves) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  for (const char* refresh : {"per_iteration", "never"}) {
    const Sparsity sparsity = SparsityOf(spec, {{"pattern", "2:8"}, {"refresh", refresh}});
    const auto dense = DenseBackend::Create(std::make_shared<BuiltinPolicy>(spec, 4), {});
    ASSERT_TRUE(dense.ok()) << dense.status();
    (*dense)->parameters().trainable().normal_();
    const auto backend = Make(spec, sparsity);
    ASSERT_TRUE(backend->LoadWeights(SnapshotOf(**dense)).ok());
    const auto published = PublishedBy(*backend);
    ASSERT_TRUE(backend->LoadOptimizerState(backend->OptimizerState()).ok());
    EXPECT_EQ(PublishedBy(*backend), published);
    SparseModel model(spec, sparsity), acting(spec, sparsity);
    ASSERT_TRUE(model.LoadParameters(SnapshotOf(**dense)).ok());
    ASSERT_TRUE(acting.Load(published).ok());
    EXPECT_EQ(Act(acting, Items()).logits, Act(model, Items()).logits);
  }
}

TEST(NmSparseBackend, ASkippedStepChangesNothing) {
  const ModelSpec spec = Spec(/*shared_trunk=*/true);
  const auto backend = Make(spec, SparsityOf(spec, {{"pattern", "2:8"}}));
  const auto weights = SnapshotOf(*backend), published = PublishedBy(*backend);
  const TensorDict items = Items();
  const auto heads = backend->Forward(items);
  ASSERT_TRUE(heads.ok()) << heads.status();
  (heads->value * std::numeric_limits<float>::quiet_NaN()).sum().backward();
  ASSERT_TRUE(backend->Backward(*heads).ok());
  const auto group = MakeSingleRankCollectives();
  const auto step = backend->Step({}, *group);
  ASSERT_TRUE(step.ok()) << step.status();
  EXPECT_TRUE(step->skipped);
  EXPECT_EQ(SnapshotOf(*backend), weights);
  EXPECT_EQ(PublishedBy(*backend), published);
}

TEST(NmSparseBackend, PublishesLessThanTheWeights) {
  ModelSpec spec = Spec(/*shared_trunk=*/true);
  spec.hidden = {256, 256, 256};
  const auto backend = Make(spec, SparsityOf(spec, {{"pattern", "2:8"}}));
  EXPECT_LT(backend->published_bytes() * 5, backend->layout().bytes());
}

TEST(NmSparseBackend, BytesThatCannotHaveBeenWrittenAreRefused) {
  const ModelSpec spec = Spec(/*shared_trunk=*/true);
  const Sparsity sparsity = SparsityOf(spec, {{"pattern", "2:8"}});
  SparseModel model(spec, sparsity);
  std::vector<std::byte> blob(model.weight_bytes(), std::byte{0xFF});
  EXPECT_EQ(model.Load(blob).code(), absl::StatusCode::kDataLoss);
  blob.pop_back();
  EXPECT_EQ(model.Load(blob).code(), absl::StatusCode::kInvalidArgument);
}

std::string ErrorOf(const std::map<std::string, std::string>& values, const ModelSpec& spec) {
  const auto made =
      MakeNmSparseBackend(OptionsOf(values), std::make_shared<BuiltinPolicy>(spec, 1));
  return made.ok() ? "" : std::string(made.status().message());
}

TEST(NmSparseBackend, ErrorsNameThePlaceAndWhatThereIs) {
  const ModelSpec spec = Spec(/*shared_trunk=*/false);
  EXPECT_EQ(
      ErrorOf({{"pattern", "2:9"}}, spec),
      "run.yaml:7: backend.pattern: no such sparsity pattern: \"2:9\"; did you mean \"2:4\"?");
  EXPECT_EQ(ErrorOf({{"shared_by", "3"}}, spec),
            "run.yaml:7: backend.shared_by: expected 1, 2, 4, 8 or 16, got 3");
  EXPECT_EQ(ErrorOf({{"layers", "trunk.1"}}, spec),
            "run.yaml:7: backend.layers: expected some of the layers actor.0, actor.1, "
            "actor.2, critic.0, critic.1, critic.2, got \"trunk.1\"");
  EXPECT_NE(ErrorOf({{"layer", "actor.1"}}, spec).find("did you mean \"layers\"?"),
            std::string::npos);
  EXPECT_EQ(ErrorOf({{"pattern", "dense"}, {"shared_by", "4"}}, spec), "");
  EXPECT_EQ(ErrorOf({{"tiles", "true"}, {"shared_by", "4"}}, spec),
            "run.yaml:7: backend.shared_by: expected none with tiles, which all of 16 outputs "
            "share");
  EXPECT_EQ(ErrorOf({{"freeze_variance", "true"}}, spec),
            "run.yaml:7: backend.freeze_variance: expected dense_until as well, which says from "
            "when on");
  EXPECT_NE(ErrorOf({{"refresh", "per_iterations"}}, spec).find("did you mean"), std::string::npos);
  ModelSpec one_layer = spec;
  one_layer.hidden = {64};
  EXPECT_NE(ErrorOf({{"pattern", "2:8"}}, one_layer).find("layers behind the first"),
            std::string::npos);
  EXPECT_EQ(ErrorOf({{"pattern", "2:8"}, {"layers", "actor.0"}}, one_layer), "");
  EXPECT_EQ(ErrorOf({{"pattern", "dense"}}, one_layer), "");
  ModelSpec lstm = spec;
  lstm.type = "lstm";
  lstm.lstm_size = 16;
  EXPECT_EQ(ErrorOf({}, lstm), "");
  EXPECT_EQ(ErrorOf({{"precision", "bfloat16"}}, lstm),
            "run.yaml:7: backend.precision: expected float32 for a model of type lstm, got "
            "bfloat16, which an mlp can have");
  ModelSpec shallow = spec;
  shallow.hidden.clear();
  EXPECT_EQ(ErrorOf({}, shallow),
            "backend nm_sparse: expected a model with hidden layers, got one without");
}

}  // namespace
}  // namespace millrace
