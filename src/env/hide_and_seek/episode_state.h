// An episode written down as numbers, and begun again from them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "env/hide_and_seek/episode.h"
#include "millrace/env/environment.h"

namespace millrace::hide_and_seek {

// What qpos and qvel do not hold, by name (docs/environments.md has the list).
ExtraState WriteExtra(const Episode& episode);

// Begins an episode with this qpos and qvel. Names that are missing: the world's are those of
// `current` or, without one, of the episode of seed 0, all others as at the start of an episode.
// kInvalidArgument for an unknown name, a wrong number of values or a value out of range.
absl::StatusOr<std::unique_ptr<Episode>> ReadEpisode(const Settings& settings,
                                                     std::span<const double> state,
                                                     const ExtraState& extra,
                                                     const Episode* current);

// Bit for bit, for the same build on the same kind of machine.
std::string SaveEpisode(const Episode& episode);
// kDataLoss if the string does not decode.
absl::StatusOr<std::unique_ptr<Episode>> RestoreEpisode(const Settings& settings,
                                                        std::string_view saved);

}  // namespace millrace::hide_and_seek
