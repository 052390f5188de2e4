#include "millrace/inference/model_spec.h"

#include <algorithm>

#include "inference/model_options.h"
#include "millrace/core/status.h"

namespace millrace {

const std::vector<std::string>& ModelSpec::BuiltinTypes() {
  static const std::vector<std::string> types = {"mlp", "lstm", "gru", "entity_attention", "cnn"};
  return types;
}

bool ModelSpec::IsBuiltinType(std::string_view type) {
  return std::ranges::count(BuiltinTypes(), type) > 0;
}

std::string ModelSpec::TrunkName(Network network) const {
  if (one_trunk()) return "trunk";
  return network == Network::kActor ? "actor" : "critic";
}

std::string ModelSpec::CellName(Network network) const {
  const std::string cell = gru_size > 0 ? "gru" : "lstm";
  return network == Network::kActor ? cell : "critic_" + cell;
}

bool ModelSpec::IsFeature(const Field& field) const {
  if (field.name == kActionMask) return false;
  if (type == "cnn") return std::ranges::count(convolution.images, field.name) == 0;
  return std::ranges::none_of(entity.sets, [&](const EntitySpec::Set& set) {
    return set.mask == field.name || set.critic_mask == field.name;
  });
}

int64_t ModelSpec::num_features() const {
  int64_t features = 0;
  for (const Field& field : observation.fields) {
    if (IsFeature(field)) features += NumElements(field.shape);
  }
  return features;
}

absl::StatusOr<ModelSpec> ModelSpec::FromOptions(const Options& options,
                                                 ObservationSpec observation, ActionSpec action) {
  ModelSpec spec;
  spec.observation = std::move(observation);
  spec.action = std::move(action);
  MILLRACE_RETURN_IF_ERROR(ReadModelOptions(options, spec));
  return spec;
}

}  // namespace millrace
