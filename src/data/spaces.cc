#include "millrace/data/spaces.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace millrace {

int ActionSpec::num_discrete() const {
  int count = 0;
  for (const auto& component : components) {
    count += component.kind == ActionComponent::Kind::kDiscrete ? 1 : 0;
  }
  return count;
}

int ActionSpec::num_choices() const {
  int count = 0;
  for (const auto& component : components) {
    if (component.kind == ActionComponent::Kind::kDiscrete) count += component.choices;
  }
  return count;
}

int ActionSpec::continuous_size() const {
  size_t size = 0;
  for (const auto& component : components) {
    if (component.kind == ActionComponent::Kind::kContinuous) size += component.low.size();
  }
  return static_cast<int>(size);
}

ActionSpec ActionSpec::Discrete(int32_t choices) {
  return {{{.name = "action",
            .kind = ActionComponent::Kind::kDiscrete,
            .choices = choices,
            .low = {},
            .high = {}}}};
}

ActionSpec ActionSpec::Continuous(std::vector<float> low, std::vector<float> high) {
  return {{{.name = "action",
            .kind = ActionComponent::Kind::kContinuous,
            .choices = 0,
            .low = std::move(low),
            .high = std::move(high)}}};
}

std::vector<Field> IdFields(const std::vector<IdFeature>& features) {
  int64_t ids = 0;
  for (const IdFeature& feature : features) ids += feature.max_length;
  return {{kIds, DType::kInt64, {ids}, Extent::kRows},
          {kIdCounts, DType::kInt32, {std::ssize(features)}, Extent::kRows}};
}

std::vector<Field> ActionFields(const ActionSpec& action, Extent extent) {
  std::vector<Field> fields;
  if (action.num_discrete() > 0) {
    fields.push_back({kDiscreteAction, DType::kInt32, {action.num_discrete()}, extent});
  }
  if (action.continuous_size() > 0) {
    fields.push_back({kContinuousAction, DType::kFloat32, {action.continuous_size()}, extent});
  }
  return fields;
}

std::string ObservationField(std::string_view name) {
  return std::string("observation/").append(name);
}

std::vector<Field> ObservationFields(const ObservationSpec& observation, Extent extent) {
  std::vector<Field> fields;
  for (const Field& field : observation.fields) {
    fields.push_back({ObservationField(field.name), field.dtype, field.shape, extent});
  }
  return fields;
}

}  // namespace millrace
