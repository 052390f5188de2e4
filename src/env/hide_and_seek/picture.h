// What an episode looks like from above.
#pragma once

#include "env/hide_and_seek/episode.h"
#include "env/hide_and_seek/settings.h"
#include "millrace/data/drawing.h"

namespace millrace::hide_and_seek {

// The floor or, if something is outside of it, whatever holds everything. From the bottom up: doors
// (pale), food, what agents see (a sector as far as something is in the way, and their lidar's
// rays), ramps (the darker the higher), boxes, walls, a line from an agent to what it holds, agents
// with their arms and a nose where they face. Things that are locked have a border in the colour of
// the team they belong to.
//
// Marks: ## wall, [] box, /\ ramp, ** food; H or S for an agent and > ^ < v for where it faces; the
// second sign of a locked box or ramp is h or s, for its team.
Drawing DrawEpisode(const Settings& settings, const Episode& episode);

}  // namespace millrace::hide_and_seek
