#include "workers/trainer/reevaluation.h"

#include <algorithm>
#include <string>

#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr int64_t kRowsAtOnce = 4096;
constexpr char kValue[] = "value";
constexpr char kState[] = "state";
constexpr char kFirst[] = "first";

struct Range {
  int64_t begin, count;
};

TensorDict Observations(const TensorDict& batch) {
  TensorDict observations;
  for (const auto& [name, tensor] : batch) {
    if (name.starts_with("observation/")) observations[name] = tensor;
  }
  return observations;
}

// Items `range` of dimension `dim` of every tensor, where the backend computes.
TensorDict Part(const TensorDict& tensors, int64_t dim, Range range, torch::Device device) {
  TensorDict part;
  for (const auto& [name, tensor] : tensors) {
    part[name] = tensor.narrow(dim, range.begin, range.count).contiguous().to(device);
  }
  return part;
}

torch::Tensor RewardUnits(const Backend& backend, const torch::Tensor& value) {
  return backend.DenormalizeValue(value).to(torch::kCPU, torch::kFloat32);
}

// Without a state every step stands alone.
absl::Status EvaluateSteps(Backend& backend, const TensorDict& batch, torch::Tensor& values) {
  TensorDict rows;
  for (const auto& [name, tensor] : Observations(batch)) rows[name] = tensor.flatten(0, 1);
  torch::Tensor flat = values.view({-1});
  for (int64_t begin = 0; begin < flat.size(0); begin += kRowsAtOnce) {
    const Range range{begin, std::min(kRowsAtOnce, flat.size(0) - begin)};
    MILLRACE_ASSIGN_OR_RETURN(const HeadOutputs heads,
                              backend.Evaluate(Part(rows, 0, range, backend.device())));
    flat.narrow(0, range.begin, range.count).copy_(RewardUnits(backend, heads.value));
  }
  return absl::OkStatus();
}

// Whole segments of some rows, chunk by chunk. The step behind the last chunk bootstraps.
absl::Status EvaluateSegments(Backend& backend, TensorDict rows, torch::Tensor values,
                              torch::Tensor states) {
  const int64_t steps = values.size(0) - 1;
  const int64_t chunk = steps / states.size(0);
  torch::Tensor state = states[0].contiguous().to(backend.device());
  for (int64_t begin = 0; begin <= steps; begin += chunk) {
    if (begin > 0 && begin < steps) states[begin / chunk].copy_(state);
    const Range range{begin, std::min(chunk, steps + 1 - begin)};
    TensorDict part = Part(rows, 0, range, backend.device());
    part[kState] = state;
    MILLRACE_ASSIGN_OR_RETURN(const HeadOutputs heads, backend.Evaluate(part));
    values.narrow(0, range.begin, range.count).copy_(RewardUnits(backend, heads.value));
    state = heads.state;
  }
  return absl::OkStatus();
}

absl::Status EvaluateSequences(Backend& backend, const TensorDict& batch, torch::Tensor& values,
                               torch::Tensor& states) {
  TensorDict rows = Observations(batch);
  rows[kFirst] = batch.at(kFirst);
  const int64_t chunk = (values.size(0) - 1) / states.size(0);
  const int64_t columns = values.size(1);
  const int64_t at_once = std::max<int64_t>(1, kRowsAtOnce / chunk);
  for (int64_t begin = 0; begin < columns; begin += at_once) {
    const Range range{begin, std::min(at_once, columns - begin)};
    MILLRACE_RETURN_IF_ERROR(EvaluateSegments(backend, Part(rows, 1, range, torch::kCPU),
                                              values.narrow(1, range.begin, range.count),
                                              states.narrow(1, range.begin, range.count)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Reevaluate(Backend& backend, TensorDict& batch) {
  const torch::NoGradGuard no_gradient;
  torch::Tensor values = torch::empty_like(batch.at(kValue));
  if (backend.state_size() == 0) {
    MILLRACE_RETURN_IF_ERROR(EvaluateSteps(backend, batch, values));
  } else {
    torch::Tensor states = batch.at(kState).clone();
    MILLRACE_RETURN_IF_ERROR(EvaluateSequences(backend, batch, values, states));
    batch[kState] = states;
  }
  batch[kValue] = values;
  return absl::OkStatus();
}

}  // namespace millrace
