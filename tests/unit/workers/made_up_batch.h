// Batches of made-up samples as tensors and as trainers receive them.
#pragma once

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "algorithms/ppo.h"
#include "backends/dense/dense_backend.h"
#include "backends/single_rank_collectives.h"
#include "gtest/gtest.h"
#include "models/torch_dtype.h"
#include "workers/trainer/sample_batch.h"

namespace millrace {

// Two actions, three observed numbers, values and observations normalised.
inline ModelSpec TestSpec(const std::string& type = "mlp") {
  ModelSpec spec;
  spec.type = type;
  spec.hidden = {8};
  spec.lstm_size = type == "lstm" ? 6 : 0;
  spec.gru_size = type == "gru" ? 6 : 0;
  spec.normalize_observation = spec.normalize_value = true;
  spec.observation.fields = {{"x", DType::kFloat32, {3}, Extent::kRows}};
  spec.action = ActionSpec::Discrete(2);
  return spec;
}

inline std::unique_ptr<DenseBackend> TestBackend(
    const ModelSpec& spec, DenseBackend::Evaluation evaluation = DenseBackend::Evaluation::kAuto) {
  auto backend = DenseBackend::Create(*MakePolicy(spec, /*seed=*/1), {}, evaluation);
  EXPECT_TRUE(backend.ok()) << backend.status();
  return *std::move(backend);
}

// Whole segments of `steps` steps and `rows` rows, with all standard fields.
inline TensorDict MadeUpSamples(const ModelSpec& spec, int64_t steps, int64_t rows, int64_t chunk,
                                uint64_t seed) {
  torch::manual_seed(seed);
  const auto flags = [&](int64_t length, double share) {
    return (torch::rand({length, rows}) < share).to(torch::kUInt8);
  };
  TensorDict samples = {
      {"observation/x", torch::randn({steps + 1, rows, 3})},
      {kDiscreteAction, torch::randint(0, 2, {steps, rows, 1}, torch::kInt32)},
      {"log_prob", torch::rand({steps, rows}) - 1},
      {"value", torch::randn({steps + 1, rows})},
      {"reward", torch::randn({steps, rows})},
      {"terminated", flags(steps, 0.1)},
      {"truncated", flags(steps, 0.1)},
      {"truncation_value", torch::zeros({steps, rows})},
      {"first", flags(steps + 1, 0.2)},
      {"present", torch::ones({steps + 1, rows}, torch::kUInt8)},
  };
  if (spec.state_size() > 0) {
    samples["state"] = torch::randn({steps / chunk, rows, spec.state_size()});
  }
  return samples;
}

// The same as a trainer receives them.
inline SampleBatch AsBatch(const TensorDict& samples, uint64_t number) {
  SampleBatch batch;
  batch.number = number;
  for (const auto& [name, tensor] : samples) {
    SampleBatch::Tensor& field = batch.fields[name];
    field.dtype = FromTorch(tensor.scalar_type());
    field.shape = tensor.sizes().vec();
    field.bytes.resize(tensor.nbytes());
    std::memcpy(field.bytes.data(), tensor.contiguous().data_ptr(), tensor.nbytes());
  }
  return batch;
}

// PPO with these options.
inline std::unique_ptr<Algorithm> TestPpo(
    const ModelSpec& spec, const std::vector<std::pair<std::string, std::string>>& settings) {
  Options options;
  for (const auto& [key, value] : settings) options.Set(key, {.items = {value}});
  auto ppo = MakePpo(options, spec.action);
  EXPECT_TRUE(ppo.ok()) << ppo.status();
  return *std::move(ppo);
}

inline std::vector<float> WeightsOf(const Backend& backend) {
  std::vector<float> blob(backend.layout().num_floats());
  backend.Snapshot(std::as_writable_bytes(std::span(blob)));
  return blob;
}

}  // namespace millrace
