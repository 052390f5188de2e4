#include "cli/torch/inference_bench.h"

#include <memory>
#include <utility>

#include "cli/common/acting.h"
#include "cli/torch/rate_rows.h"
#include "core/deadline.h"
#include "millrace/core/status.h"
#include "models/torch_inference_model.h"

namespace millrace {
namespace {

// Samples per second over at least so long.
absl::StatusOr<double> Measure(Acting& acting, double seconds) {
  const Clock::time_point start = Clock::now();
  int64_t calls = 0;
  do {
    MILLRACE_RETURN_IF_ERROR(acting.Act());
    ++calls;
  } while (SecondsSince(start) < seconds);
  return static_cast<double>(calls * acting.rows()) / SecondsSince(start);
}

// The least seconds for a sample of a batch: parameters and inputs are read once, every layer's
// outputs are written and read once.
double RoofSeconds(const ModelSpec& spec, int rows, const Roof& roof) {
  const ForwardCost cost = CostOf(spec);
  const double floats = cost.parameters / rows + 2 * cost.outputs;
  return roof.Seconds(cost.operations, sizeof(float) * floats + cost.input_bytes);
}

absl::Status BenchOne(const BenchModel& model, int rows, const ModelBenchOptions& options,
                      torch::Device device, const Roof& roof, std::vector<BenchRow>& table) {
  if (rows < 1) return absl::InvalidArgumentError("--batch: expected at least 1");
  MILLRACE_ASSIGN_OR_RETURN(auto native, MakeNativeModel(model.spec));
  MILLRACE_ASSIGN_OR_RETURN(auto policy, MakePolicy(model.spec, /*seed=*/1));
  policy->to(device);
  MILLRACE_ASSIGN_OR_RETURN(
      auto torch, MakeTorchInferenceModel(policy, model.spec.observation, model.spec.action));
  const ObservationSpec& observation = model.spec.observation;
  Acting ours(std::move(native), observation, rows), theirs(std::move(torch), observation, rows);
  MILLRACE_RETURN_IF_ERROR(ours.Act());  // warm
  MILLRACE_RETURN_IF_ERROR(theirs.Act());
  Rates rates{.roof_seconds = RoofSeconds(model.spec, rows, roof)};
  for (int round = 0; round < options.rounds; ++round) {
    MILLRACE_ASSIGN_OR_RETURN(rates.core.emplace_back(), Measure(ours, options.seconds));
    MILLRACE_ASSIGN_OR_RETURN(rates.torch.emplace_back(), Measure(theirs, options.seconds));
  }
  AddRateRows("inference", model, rows, device.str(), roof, rates, table);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunInferenceBench(const ModelBenchOptions& options) {
  return BenchEveryModel(options, [&options](const auto& model, int rows, torch::Device device,
                                             const Roof& roof, auto& table) {
    return BenchOne(model, rows, options, device, roof, table);
  });
}

}  // namespace millrace
