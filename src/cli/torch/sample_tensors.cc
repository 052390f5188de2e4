#include "cli/torch/sample_tensors.h"

#include "millrace/core/status.h"
#include "models/torch_dtype.h"

namespace millrace {

absl::StatusOr<SampleTensors> SampleTensors::Read(Dataset& dataset, int64_t first, int64_t count) {
  SampleTensors samples;
  std::vector<std::vector<int64_t>> shapes;
  const std::vector<Field> fields = SampleFields(dataset.spec(), Extent::kRows);
  for (const Field& field : fields) {
    std::vector<int64_t>& shape = shapes.emplace_back(field.shape);
    shape.insert(shape.begin(), count);
    samples.tensors_[field.name] = torch::empty(shape, ToTorch(field.dtype));
  }
  std::vector<TensorView> views;
  for (size_t f = 0; f < fields.size(); ++f) {
    auto* const data = static_cast<std::byte*>(samples.tensors_[fields[f].name].data_ptr());
    views.push_back({fields[f].dtype, shapes[f], data});
  }
  MILLRACE_RETURN_IF_ERROR(ReadRound(dataset, first, count, views));
  return samples;
}

}  // namespace millrace
