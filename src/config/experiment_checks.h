// What must hold between the values of an experiment, as far as no registry is needed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/experiment.h"
#include "config/section.h"

namespace millrace {

// Names become directories, streams and tensor prefixes: [A-Za-z0-9._-]{1,64}, not "." or "..".
bool IsValidName(std::string_view name);
inline constexpr char kNameRule[] = "a name of 1 to 64 characters of [A-Za-z0-9._-]";

// Adds the first violation to `problems`.
void CheckExperiment(const ExperimentConfig& config, Problems& problems);

// The multiple of `unit` that is nearest to `value` and at least `unit`; unit > 0.
int64_t NearestMultiple(int64_t value, int64_t unit);

}  // namespace millrace
