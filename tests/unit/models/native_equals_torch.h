// Compares the two implementations of a built-in model on random weights and observations.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "millrace/inference/inference_model.h"
#include "models/builtin_policy.h"
#include "models/torch_dtype.h"

namespace millrace {

inline std::map<std::string, torch::Tensor> TensorsOf(const Policy& policy) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : policy.named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : policy.named_buffers()) tensors[item.key()] = item.value();
  return tensors;
}

// Random numbers in every parameter and buffer, such that layers keep the size of what they get;
// returns the blob.
inline std::vector<float> RandomWeights(Policy& policy) {
  const torch::NoGradGuard no_gradient;
  const ParameterLayout layout = policy.layout();
  std::vector<float> blob(layout.num_floats());
  auto tensors = TensorsOf(policy);
  for (const ParameterEntry& entry : layout.entries()) {
    torch::Tensor& tensor = tensors.at(entry.name);
    const bool matrix = tensor.dim() > 1;
    const double inputs = matrix ? static_cast<double>(tensor[0].numel()) : 10.0;
    tensor.copy_(torch::randn(tensor.sizes()) / std::sqrt(inputs));
    if (entry.name.ends_with("norm.weight")) tensor.add_(1.0);
    if (entry.name.ends_with("variance")) tensor.abs_().add_(0.5);
    std::copy_n(tensor.data_ptr<float>(), tensor.numel(), blob.data() + entry.offset);
  }
  return blob;
}

// A random size of 1 to `high`.
inline int64_t OneTo(int64_t high, Rng& rng) {
  return 1 + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(high)));
}

// uint8 fields hold pictures, 0 to 255; masks 0 or 1.
inline TensorDict RandomFields(const ModelSpec& spec, const std::vector<int64_t>& leading) {
  TensorDict fields;
  for (const Field& field : spec.observation.fields) {
    auto sizes = leading;
    sizes.insert(sizes.end(), field.shape.begin(), field.shape.end());
    const torch::ScalarType type = ToTorch(field.dtype);
    torch::Tensor& tensor = fields[ObservationField(field.name)];
    const bool is_image = std::ranges::count(spec.convolution.images, field.name) > 0;
    if (!spec.IsFeature(field) && !is_image) {
      tensor = torch::randint(0, 2, sizes).to(type);
    } else if (field.dtype == DType::kUInt8) {
      tensor = torch::randint(0, 256, sizes).to(type);
    } else {
      tensor = torch::randn(sizes).to(type);
    }
  }
  return fields;
}

// One step of the native model; `state` [N, state_size] is advanced.
inline HeadOutputs NativeStep(InferenceModel& model, const ModelSpec& spec, const TensorDict& now,
                              torch::Tensor& state) {
  const int64_t rows = state.size(0);
  std::vector<torch::Tensor> kept;
  std::vector<std::vector<int64_t>> shapes;
  std::vector<TensorView> views;
  shapes.reserve(spec.observation.fields.size());
  for (const Field& field : spec.observation.fields) {
    kept.push_back(now.at(ObservationField(field.name)).contiguous());
    shapes.push_back(kept.back().sizes().vec());
    views.push_back({field.dtype, shapes.back(), static_cast<std::byte*>(kept.back().data_ptr())});
  }
  HeadOutputs heads{torch::empty({rows, spec.action.num_choices()}),
                    torch::empty({rows, spec.action.continuous_size()}),
                    torch::empty({spec.action.continuous_size()}), torch::empty({rows})};
  const auto span = [](torch::Tensor& tensor) {
    return std::span(tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel()));
  };
  const auto status =
      model.Forward(static_cast<int>(rows), views, span(state),
                    {span(heads.logits), span(heads.mean), span(heads.log_std), span(heads.value)});
  EXPECT_TRUE(status.ok()) << status;
  return heads;
}

inline void ExpectNear(const torch::Tensor& native, const torch::Tensor& expected,
                       const char* what) {
  if (!expected.defined()) return;
  EXPECT_TRUE(torch::allclose(native, expected, 1e-5, 1e-5))
      << what << " differs by " << (native - expected).abs().max().item<float>();
}

// Several steps of a few rows with resets of the state, if there is one.
inline void ExpectNativeEqualsTorch(const ModelSpec& spec, int64_t steps, int64_t rows) {
  const torch::NoGradGuard no_gradient;
  at::set_num_threads(1);
  auto policy = MakePolicy(spec, /*seed=*/1);
  ASSERT_TRUE(policy.ok()) << policy.status();
  const auto blob = RandomWeights(**policy);
  auto model = MakeNativeModel(spec);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_TRUE((*model)->Load(std::as_bytes(std::span(blob))).ok());
  const TensorDict fields = RandomFields(spec, {steps, rows});
  torch::Tensor first, before, state = torch::randn({rows, spec.state_size()});
  if (spec.state_size() > 0) {
    first = torch::randint(0, 4, {steps, rows}).eq(0).to(torch::kUInt8);
    before = state.clone();
  }
  const HeadOutputs heads = (*policy)->Forward(fields, first, before);
  for (int64_t step = 0; step < steps; ++step) {
    if (first.defined()) state.masked_fill_(first[step].unsqueeze(-1) == 1, 0.0F);
    TensorDict now;
    for (const auto& [name, tensor] : fields) now[name] = tensor[step];
    const HeadOutputs native = NativeStep(**model, spec, now, state);
    if (heads.logits.defined()) {
      const auto mask = now.find(ObservationField(kActionMask));
      torch::Tensor expected = heads.logits[step], got = native.logits;
      if (mask != now.end()) got = got.masked_fill(mask->second == 0, -1e9F);
      ExpectNear(got, expected, "logits");
    }
    if (heads.mean.defined()) ExpectNear(native.mean, heads.mean[step], "mean");
    torch::Tensor value = heads.value[step];
    if (spec.normalize_value) {
      const auto tensors = TensorsOf(**policy);
      value = value * (tensors.at("value_variance") + 1e-8F).sqrt() + tensors.at("value_mean");
    }
    ExpectNear(native.value, value, "value");
  }
  if (spec.state_size() > 0) ExpectNear(state, heads.state, "state");
}

// A loss of all heads has a gradient at every parameter.
inline void ExpectTrainingReachesEveryParameter(const ModelSpec& spec) {
  auto policy = *MakePolicy(spec, 1);
  const auto heads =
      policy->Forward(RandomFields(spec, {3, 8}), torch::zeros({3, 8}, torch::kUInt8),
                      torch::zeros({8, spec.state_size()}));
  (heads.logits.clamp_min(-100).pow(2).sum() + heads.mean.sum() + heads.log_std.sum() +
   heads.value.sum())
      .backward();
  for (const auto& item : policy->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().sum().item<float>(), 0.0F) << item.key();
  }
}

// Every parameter and buffer is in the layout, with its shape, and the other way round.
inline void ExpectModuleHasTheLayout(const ModelSpec& spec) {
  auto policy = MakePolicy(spec, /*seed=*/1);
  ASSERT_TRUE(policy.ok()) << policy.status();
  const auto tensors = TensorsOf(**policy);
  const ParameterLayout layout(spec);
  EXPECT_EQ(tensors.size(), layout.entries().size());
  for (const ParameterEntry& entry : layout.entries()) {
    ASSERT_TRUE(tensors.contains(entry.name)) << entry.name;
    EXPECT_EQ(tensors.at(entry.name).sizes(), torch::IntArrayRef(entry.shape)) << entry.name;
    EXPECT_EQ(tensors.at(entry.name).requires_grad(), entry.trainable) << entry.name;
  }
}

}  // namespace millrace
