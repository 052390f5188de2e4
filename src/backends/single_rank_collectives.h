// The group of a trainer on its own.
#pragma once

#include <memory>

#include "millrace/backends/backend.h"

namespace millrace {

// Every operation is the identity. Thread-safe: no state.
std::unique_ptr<Collectives> MakeSingleRankCollectives();

}  // namespace millrace
