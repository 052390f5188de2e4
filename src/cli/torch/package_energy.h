// What the processor's packages use, by their own counters (RAPL).
#pragma once

#include <optional>

namespace millrace {

// Joules since some moment, of all packages; counters start anew every few minutes. Nothing where
// they cannot be read: most virtual machines have none, and elsewhere only root may.
std::optional<double> PackageJoules();

}  // namespace millrace
