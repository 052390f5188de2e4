#include "inference/entity_inputs.h"

#include <algorithm>

namespace millrace {
namespace {

int IndexOf(const ObservationSpec& observation, const std::string& name) {
  const auto found = std::ranges::find(observation.fields, name, &Field::name);
  return found == observation.fields.end() ? -1
                                           : static_cast<int>(found - observation.fields.begin());
}

template <typename T>
bool IsNotZero(const TensorView& mask, int64_t index) {
  return reinterpret_cast<const T*>(mask.data)[index] != T{0};
}

}  // namespace

int64_t EntityInputs::dense_width() const {
  int64_t width = 0;
  for (const FeatureBlock& block : flat) width += block.size();
  for (const FeatureBlock& set : sets) width += set.size() + (set.mask < 0 ? 0 : set.count);
  return width;
}

EntityInputs EntityInputsOf(const ModelSpec& spec, Network network) {
  const EntitySpec& entity = spec.entity;
  EntityInputs inputs;
  inputs.num_features = spec.num_features();
  int64_t column = 0;
  for (const Field& field : spec.observation.fields) {
    if (!spec.IsFeature(field)) continue;
    FeatureBlock block{field.name, column};
    column += NumElements(field.shape);
    if (network == Network::kActor && std::ranges::count(entity.critic_only, field.name) > 0) {
      continue;
    }
    const auto set = std::ranges::find(entity.sets, field.name, &EntitySpec::Set::field);
    const bool circular = std::ranges::count(entity.circular, field.name) > 0;
    if (set != entity.sets.end() || circular) {
      block.count = field.shape[0];
      block.width = NumElements(field.shape) / block.count;
    } else {
      block.width = NumElements(field.shape);
    }
    if (set != entity.sets.end()) {
      block.mask =
          IndexOf(spec.observation, network == Network::kCritic ? set->critic_mask : set->mask);
      inputs.sets.push_back(std::move(block));
    } else if (circular) {
      inputs.self_width += block.count * entity.circular_channels;
      inputs.circular.push_back(std::move(block));
    } else {
      inputs.self_width += block.width;
      inputs.flat.push_back(std::move(block));
    }
  }
  return inputs;
}

bool IsThere(const TensorView& mask, int64_t index) {
  switch (mask.dtype) {
    case DType::kFloat32:
      return IsNotZero<float>(mask, index);
    case DType::kFloat64:
      return IsNotZero<double>(mask, index);
    case DType::kInt32:
      return IsNotZero<int32_t>(mask, index);
    case DType::kInt64:
      return IsNotZero<int64_t>(mask, index);
    case DType::kUInt8:
      return IsNotZero<uint8_t>(mask, index);
  }
  return true;
}

}  // namespace millrace
