// `workers.actor.groups: auto`: how many groups of environments an actor needs so that simulating
// the others hides the way of one to its actions and back.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/experiment.h"
#include "millrace/registry/registry.h"

namespace millrace {

struct GroupChoice {
  int groups = 0;
  std::string why;  // one line, with what was measured
};

// Measures a step of the environments and a reply (forward pass, sampling and the wake-ups) for
// some tens of milliseconds, and takes the smallest number R of groups for which R - 1 groups'
// steps take as long as a reply (Mei et al. 2023, section 3.2), of those the file allows. With
// inline inference nothing is to be hidden: 1. `file` and `overrides` are what `config` was loaded
// from. kInvalidArgument, as the file's own check says it, if no number fits.
absl::StatusOr<GroupChoice> ChooseGroups(const std::string& file,
                                         const std::vector<Override>& overrides,
                                         const ExperimentConfig& config, const Registry& registry);

}  // namespace millrace
