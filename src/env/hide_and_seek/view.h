// What an episode looks like in space.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "env/hide_and_seek/episode.h"
#include "env/hide_and_seek/settings.h"
#include "env/mujoco/renderer.h"
#include "millrace/data/image.h"

namespace millrace::hide_and_seek {

// From above the side of low y, the whole floor, by MuJoCo. Agents have their team's colour, and so
// have things that it locked. `renderer` is made when there is none; it belongs to this episode.
absl::StatusOr<Image> RenderEpisode(const Settings& settings, Episode& episode, int width,
                                    int height, std::unique_ptr<MujocoRenderer>& renderer);

}  // namespace millrace::hide_and_seek
