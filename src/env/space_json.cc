#include "env/space_json.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

// JSON has no infinity: an open bound is null.
Json BoundsToJson(const std::vector<float>& bounds) {
  Json list = Json::array();
  for (float bound : bounds) list.push_back(std::isfinite(bound) ? Json(bound) : Json());
  return list;
}

Json ComponentToJson(const ActionComponent& component) {
  if (component.kind == ActionComponent::Kind::kDiscrete) {
    return {{"name", component.name}, {"kind", "discrete"}, {"choices", component.choices}};
  }
  return {{"name", component.name},
          {"kind", "continuous"},
          {"low", BoundsToJson(component.low)},
          {"high", BoundsToJson(component.high)}};
}

Json ElementToJson(const TensorView& scalar) {
  switch (scalar.dtype) {
    case DType::kFloat32:
      return scalar.As<float>()[0];
    case DType::kFloat64:
      return scalar.As<double>()[0];
    case DType::kInt32:
      return scalar.As<int32_t>()[0];
    case DType::kInt64:
      return scalar.As<int64_t>()[0];
    case DType::kUInt8:
      return scalar.As<uint8_t>()[0];
  }
  return {};
}

Json TensorToJson(const TensorView& view) {
  if (view.shape.empty()) return ElementToJson(view);
  Json list = Json::array();
  for (int64_t i = 0; i < view.shape[0]; ++i) list.push_back(TensorToJson(view[i]));
  return list;
}

absl::Status Expected(const ActionComponent& component, const std::string& what, const Json& got) {
  return absl::InvalidArgumentError(
      absl::StrCat(component.name, ": expected ", what, ", got ", got.dump()));
}

absl::Status DiscreteFromJson(const ActionComponent& component, const Json& value, int32_t& out) {
  const bool fits = value.is_number_integer() && value.get<int64_t>() >= 0 &&
                    value.get<int64_t>() < component.choices;
  if (!fits) {
    return Expected(component, absl::StrCat("an integer from 0 to ", component.choices - 1), value);
  }
  out = value.get<int32_t>();
  return absl::OkStatus();
}

absl::Status ContinuousFromJson(const ActionComponent& component, const Json& value,
                                std::span<float> out) {
  const Json list = value.is_number() ? Json::array({value}) : value;
  const std::string what = absl::StrCat("a list of numbers of length ", out.size());
  if (!list.is_array() || list.size() != out.size()) return Expected(component, what, value);
  for (size_t i = 0; i < out.size(); ++i) {
    if (!list[i].is_number()) return Expected(component, what, value);
    out[i] = list[i].get<float>();
  }
  return absl::OkStatus();
}

}  // namespace

Json SpecToJson(const EnvironmentSpec& spec) {
  Json agents = Json::array();
  for (const AgentSpec& agent : spec.agents) {
    Json fields = Json::object();
    for (const Field& field : agent.observation.fields) {
      fields[field.name] = {{"dtype", Name(field.dtype)}, {"shape", field.shape}};
    }
    Json components = Json::array();
    for (const ActionComponent& component : agent.action.components) {
      components.push_back(ComponentToJson(component));
    }
    agents.push_back({{"name", agent.name}, {"observation", fields}, {"action", components}});
  }
  return {{"agents", agents}};
}

Json ObservationToJson(const ObservationSpec& spec, std::span<const TensorView> fields) {
  if (fields.size() == 1 && spec.fields[0].name == "observation") return TensorToJson(fields[0]);
  Json object = Json::object();
  for (size_t f = 0; f < fields.size(); ++f) object[spec.fields[f].name] = TensorToJson(fields[f]);
  return object;
}

absl::Status ActionFromJson(const ActionSpec& spec, const Json& action, std::span<int32_t> discrete,
                            std::span<float> continuous) {
  const bool tuple = spec.components.size() > 1;
  if (tuple && (!action.is_array() || action.size() != spec.components.size())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "action: expected a list of ", spec.components.size(), ", got ", action.dump()));
  }
  size_t next_discrete = 0, next_real = 0;
  for (size_t c = 0; c < spec.components.size(); ++c) {
    const ActionComponent& component = spec.components[c];
    const Json& value = tuple ? action[c] : action;
    if (component.kind == ActionComponent::Kind::kDiscrete) {
      MILLRACE_RETURN_IF_ERROR(DiscreteFromJson(component, value, discrete[next_discrete++]));
    } else {
      const std::span<float> part = continuous.subspan(next_real, component.low.size());
      MILLRACE_RETURN_IF_ERROR(ContinuousFromJson(component, value, part));
      next_real += part.size();
    }
  }
  return absl::OkStatus();
}

}  // namespace millrace
