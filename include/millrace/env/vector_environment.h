// Many environments stepped together: what an actor's group is. Most users write an Environment;
// cheap environments gain by implementing this interface over struct-of-arrays state.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/data/tensor_view.h"
#include "millrace/env/environment.h"

namespace millrace {

// The rows of one policy in one group: row = environment x (agents of that policy) + agent, B rows.
// All views are [B, ...]; the memory is the caller's (often a stream's slab, so nothing is copied
// twice) and may be another one in every call.
//
// A row whose agent is absent has observation 0 (its action mask 1, so that it can be sampled
// from), reward 0 and no flag. A row that ended and whose agent is absent afterwards has its flags
// and its final observation. An agent that left without having ended is reported as truncated.
struct PolicyRows {
  std::span<const TensorView> observation;  // written; one per field, in spec order
  // Written only for rows that ended: the last observation. May be empty: nobody wants it.
  std::span<const TensorView> final_observation;
  std::span<const int32_t> discrete;  // [B, num_discrete], read
  std::span<const float> continuous;  // [B, continuous_size], read; already clipped to the box
  std::span<float> reward;            // [B]; 0 for absent rows
  std::span<uint8_t> terminated;      // [B]
  std::span<uint8_t> truncated;       // [B]
  std::span<uint8_t> first;           // [B]: `observation` begins an episode
  std::span<uint8_t> present;         // [B]: an agent takes part from this observation on
};

// Which policy drives each agent of the environment, by index; agents of one policy must have equal
// specs.
using AgentPolicies = std::vector<int>;

// Of one of EnvironmentSpec::statistics over some episodes.
struct StatisticSum {
  double sum = 0;
  uint64_t count = 0;
};

// E environments with automatic reset: when an episode ends, `observation` is already the next
// episode's first one. Thread-compatible.
class VectorEnvironment {
 public:
  virtual ~VectorEnvironment() = default;
  virtual const EnvironmentSpec& spec() const = 0;
  virtual int size() const = 0;

  // Starts all environments. Environment i's episodes are seeded with EpisodeSeed(seed, first_slot
  // + i, episode number). `policies[p]` are the rows of policy p; everything but final_observation
  // is written. kInvalidArgument if `agents` does not fit the spec or the number of policies.
  virtual absl::Status Reset(uint64_t seed, uint64_t first_slot, const AgentPolicies& agents,
                             std::span<const PolicyRows> policies) = 0;
  // Only after a successful Reset or RestoreState.
  virtual absl::Status Step(std::span<const PolicyRows> policies) = 0;

  // Adds to `sums` what the episodes say that ended since the last call, in the order of
  // spec().statistics.
  virtual void TakeStatistics(std::span<StatisticSum> /*sums*/) {}

  // All environments' state, episode numbers included; RestoreState replaces Reset and writes what
  // Reset writes. kUnimplemented if the environment cannot save itself, kDataLoss if the string
  // does not decode.
  virtual absl::StatusOr<std::string> SaveState() const = 0;
  virtual absl::Status RestoreState(std::string_view state, uint64_t seed, uint64_t first_slot,
                                    const AgentPolicies& agents,
                                    std::span<const PolicyRows> policies) = 0;
};

using VectorEnvironmentFactory = std::function<absl::StatusOr<std::unique_ptr<VectorEnvironment>>(
    const Options& options, int count)>;

// Runs `count` environments made by `factory` one after another in the calling thread. `name` is
// for error messages. Exceptions of the environment are kInternal; so is a reward or an observation
// that is not finite.
absl::StatusOr<std::unique_ptr<VectorEnvironment>> MakeEnvironmentBatch(
    const EnvironmentFactory& factory, const Options& options, int count,
    const std::string& name = "environment");

// One environment of a vectorised type behind the single interface: without physical state and
// without saving.
absl::StatusOr<std::unique_ptr<Environment>> MakeSingleEnvironment(
    const VectorEnvironmentFactory& factory, const Options& options);

// The seed of an episode: a function of the run's seed, the environment's run-wide slot and the
// number of the episode in that slot.
uint64_t EpisodeSeed(uint64_t seed, uint64_t slot, uint64_t episode);

}  // namespace millrace
