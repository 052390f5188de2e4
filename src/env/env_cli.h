// What `millrace env step` and `millrace env bench` do, without their command lines.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/random_action.h"
#include "millrace/env/environment.h"
#include "millrace/env/vector_environment.h"

namespace millrace {

// Answers every line of `in` with one line on `out` until `in` ends. A line it cannot use gets
// {"error": "..."}; so does a failing step, after which only a reset helps.
//
//   {"reset": {"seed": 7}}, {"reset": {"state": [...], "extra": {...}}}, {"reset": {}} (the next
//   seed) -> {"observation", "state", "extra"}
//   {"action": a} -> {"observation", "reward", "terminated", "truncated", "state", "extra"}
//   {"spec": true} -> {"agents": [{"name", "observation": {FIELD: {"dtype", "shape"}}, "action":
//   [...]}]}
//
// An action is an integer (one discrete component), a list of numbers (one continuous component,
// which may also be a bare number if it has size 1), or a list with one such entry per component.
// An observation is a nested list, or an object if it has fields other than "observation".
// Environments with several agents take and give lists over agents (absent ones null), and also
// "present"; `state` and `extra` are the whole world's.
void RunEnvStep(Environment& environment, std::istream& in, std::ostream& out);

struct EnvBenchResult {
  int64_t env_steps = 0;
  int64_t agent_steps = 0;  // of agents that were present
  double seconds = 0;
  double steps_per_second() const { return static_cast<double>(env_steps) / seconds; }
};

// What agents do: random choices and reals, but for discrete components that are held, by name.
struct BenchActions {
  RandomReals reals = RandomReals::kUniform;
  std::map<std::string, int32_t> held = {};
};

// Steps the groups in turn in the calling thread, until `duration` is over. Actions are drawn
// beforehand where nothing is masked, so that only stepping is measured. kInvalidArgument if no
// agent has a component that is held, or not that choice.
absl::StatusOr<EnvBenchResult> BenchEnvironment(
    std::span<const std::unique_ptr<VectorEnvironment>> groups,
    std::chrono::duration<double> duration, const BenchActions& actions = {}, uint64_t seed = 1);

}  // namespace millrace
