// What the networks of the native trainer read.
#pragma once

#include <cstdint>

namespace millrace {

// Chunks of consecutive steps, step after step; single steps are chunks of length 1. All pointers
// are owned by the caller.
struct NativeMinibatch {
  int64_t rows() const { return steps * chunks; }

  int64_t steps = 1, chunks = 0;
  // [steps * chunks, what the network reads (EntityInputs::dense_width())]
  const float* actor_input = nullptr;  // or of the one trunk
  const float* critic_input = nullptr;
  // Of recurrent policies.
  const uint8_t* first = nullptr;  // [steps * chunks]: not 0 where the state restarts from zero
  const float* state = nullptr;    // [chunks, state_size]: before each chunk's first step
};

}  // namespace millrace
