// The settings of the transfer tasks of Baker et al. 2020 (arXiv:1909.07528), section 6.4.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "env/hide_and_seek/settings.h"
#include "millrace/config/options.h"

namespace millrace::hide_and_seek {

// One hider, nobody else, no preparation. `name`: of the environment, whose options (defaults) are
// in docs/environments.md. kInvalidArgument with the place of a wrong option.
absl::StatusOr<Settings> ReadTransferSettings(const Options& options, Game game,
                                              const std::string& name);

}  // namespace millrace::hide_and_seek
