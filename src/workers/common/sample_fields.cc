#include "workers/common/sample_fields.h"

#include <algorithm>

namespace millrace {

std::vector<Field> StandardSampleFields(const PolicyAgents& agents, int64_t state_size) {
  std::vector<Field> fields = ObservationFields(agents.observation, Extent::kStepsAndBootstrap);
  for (Field& field : ActionFields(agents.action, Extent::kSteps))
    fields.push_back(std::move(field));
  fields.push_back({"log_prob", DType::kFloat32, {}, Extent::kSteps});
  fields.push_back({"value", DType::kFloat32, {}, Extent::kStepsAndBootstrap});
  fields.push_back({"reward", DType::kFloat32, {}, Extent::kSteps});
  fields.push_back({"terminated", DType::kUInt8, {}, Extent::kSteps});
  fields.push_back({"truncated", DType::kUInt8, {}, Extent::kSteps});
  fields.push_back({"truncation_value", DType::kFloat32, {}, Extent::kSteps});
  fields.push_back({"first", DType::kUInt8, {}, Extent::kStepsAndBootstrap});
  fields.push_back({"present", DType::kUInt8, {}, Extent::kStepsAndBootstrap});
  fields.push_back({"version", DType::kInt64, {}, Extent::kTime});
  if (state_size > 0) fields.push_back({"state", DType::kFloat32, {state_size}, Extent::kChunks});
  return fields;
}

bool IsStandardSampleField(const Field& field, const PolicyAgents& agents) {
  // "state" is recognised whatever its size.
  if (field.name == "state" && field.extent == Extent::kChunks) return true;
  const std::vector<Field> standard = StandardSampleFields(agents, 0);
  return std::find(standard.begin(), standard.end(), field) != standard.end();
}

}  // namespace millrace
