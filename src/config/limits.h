// The largest numbers an experiment may have.
#pragma once

#include <cstdint>

namespace millrace {

inline constexpr int64_t kMaxWorkers = 1024;                    // processes of one role
inline constexpr int64_t kMaxSize = 1 << 20;                    // environments, rows, segments
inline constexpr int64_t kMaxBatchEnvSteps = int64_t{1} << 40;  // of all trainers
inline constexpr int64_t kMaxLanes = 1024;  // sample lanes of one actor: policies x trainer ranks
inline constexpr int kMaxOpponents =
    15;  // past versions of a policy that play: a request has four bits for them

}  // namespace millrace
