// Spaces, observations and actions as JSON (`millrace env step`).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>

#include "absl/status/status.h"
#include "millrace/data/tensor_view.h"
#include "millrace/env/environment.h"

namespace millrace {

nlohmann::json SpecToJson(const EnvironmentSpec& spec);

// A nested list for a single field called "observation", otherwise an object by field name.
nlohmann::json ObservationToJson(const ObservationSpec& spec, std::span<const TensorView> fields);

// kInvalidArgument if the value does not fit; then `discrete` and `continuous` are undefined.
// Continuous values are not clipped.
absl::Status ActionFromJson(const ActionSpec& spec, const nlohmann::json& action,
                            std::span<int32_t> discrete, std::span<float> continuous);

}  // namespace millrace
