#include "cli/torch/model_bench.h"

#include "millrace/core/status.h"
#include "models/torch_device.h"

namespace millrace {

absl::StatusOr<std::vector<BenchRow>> BenchEveryModel(const ModelBenchOptions& options,
                                                      const ModelBench& bench) {
  at::set_num_threads(1);
  MILLRACE_ASSIGN_OR_RETURN(const auto models, FindBenchModels(options.models));
  MILLRACE_ASSIGN_OR_RETURN(const torch::Device device, FindDevice(options.device));
  const Roof roof = device.is_cpu() ? MeasureCore() : MeasureDevice(device);
  std::vector<BenchRow> table;
  for (const BenchModel& model : models) {
    for (const int size : options.sizes) {
      MILLRACE_RETURN_IF_ERROR(bench(model, size, device, roof, table));
    }
  }
  return table;
}

}  // namespace millrace
