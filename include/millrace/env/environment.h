// The environment interface. Write one class, register it, and every worker, stream and checkpoint
// works for it. Step by step: docs/writing_an_environment.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/config/options.h"
#include "millrace/data/drawing.h"
#include "millrace/data/image.h"
#include "millrace/data/spaces.h"
#include "millrace/data/tensor_view.h"

namespace millrace {

struct AgentSpec {
  std::string name;  // matched against `agents: [{match: ...}]` of the experiment
  ObservationSpec observation;
  ActionSpec action;
};

struct EnvironmentSpec {
  std::vector<AgentSpec> agents;  // every agent that may ever take part, at least one
  // What EpisodeStatistics() says, by name: at most 48 names of at most 47 characters. Their means
  // over the newest episodes are `environment/NAME` in metrics.jsonl.
  std::vector<std::string> statistics = {};
};

// One agent's place in one step: the environment reads the action and writes everything else.
struct AgentSlot {
  std::span<const TensorView> observation;  // one view per observation field, in spec order
  std::span<const int32_t> discrete;        // one choice per discrete component
  std::span<const float> continuous;        // continuous components one after another
  float reward = 0;                         // paid for this step
  bool present = true;      // before Step: acts in this step; after: takes part from now on
  bool terminated = false;  // this agent's episode ended by the task's own rules: its value is 0
  bool truncated = false;   // ... was cut off from outside (a time limit): its value goes on
};

// What the physical state does not hold but the next step depends on ("step", "walls"), by name.
using ExtraState = std::map<std::string, std::vector<double>, std::less<>>;

// One simulated world with one or more agents. The vectorised runner owns many of them.
//
// An episode ends for an agent when it is terminated or truncated, and for the environment when no
// agent that is present goes on; the runner then calls Reset. An agent that ended while others go
// on is absent from the next step on, until the next Reset or until the environment sets it present
// again (its first observation then begins a new episode of that agent). An agent that leaves
// (present = false) without having ended counts as truncated. In all these cases its last
// observation is written in the step in which it acted last.
//
// The runner presets every slot before a call: present = acts now (false before Reset), the rest 0
// or false. So an environment with one agent sets `present` nowhere but in Reset, and one whose
// agents only ever end never has to track who is there.
//
// One thread at a time calls an instance. kInvalidArgument ends the run with the message (exit code
// 2: somebody must edit something). Any other error, and an exception, ends the actor, which is
// started anew; if that goes on, the run fails with the last message (exit code 3).
class Environment {
 public:
  virtual ~Environment() = default;

  // Constant over the life of the environment.
  virtual const EnvironmentSpec& spec() const = 0;

  // Begins an episode: writes `present` of every agent and the observation of those present, at
  // least one. All randomness of the episode must follow from `seed`.
  virtual absl::Status Reset(uint64_t seed, std::span<AgentSlot> agents) = 0;

  // Advances one step with the actions of the agents that are present: writes their observation,
  // reward, present, terminated and truncated. An absent agent may join: present = true and its
  // first observation.
  virtual absl::Status Step(std::span<AgentSlot> agents) = 0;

  // Numbers about the episode that the last Step() ended, in the order of spec().statistics. NaN:
  // nothing to say about this one.
  virtual std::span<const double> EpisodeStatistics() const { return {}; }

  // This moment as a picture (`millrace play`), after Reset, Step, ResetTo or RestoreState: after
  // the last Step of an episode its end. nullopt by default: the environment does not draw itself.
  virtual std::optional<Drawing> Draw() const;
  // The same in space, as so many pixels, by an environment that has a renderer (`millrace play
  // --view 3d`). kUnimplemented by default, kResourceExhausted if the renderer lacks something.
  virtual absl::StatusOr<Image> Render(int width, int height);

  // The full physical state as numbers (`millrace env step`; docs/environments.md has the order
  // of the built-in ones), and what it cannot hold. kUnimplemented and nothing by default.
  virtual absl::StatusOr<std::vector<double>> PhysicalState() const;
  virtual ExtraState Extra() const;
  // Begins an episode in a given state; writes what Reset writes. Entries missing from `extra` are
  // as at the start of an episode. kInvalidArgument for a wrong number of values or an unknown
  // name.
  virtual absl::Status ResetTo(std::span<const double> state, const ExtraState& extra,
                               std::span<AgentSlot> agents);

  // Everything needed to go on bit-equally after a restart (deterministic runs): an opaque byte
  // string. RestoreState writes what Reset writes: the observation of that moment. kUnimplemented
  // by default; kDataLoss if the string does not decode.
  virtual absl::StatusOr<std::string> SaveState() const;
  virtual absl::Status RestoreState(std::string_view state, std::span<AgentSlot> agents);
};

// Makes one environment from the options of the experiment's `environment:` section.
using EnvironmentFactory =
    std::function<absl::StatusOr<std::unique_ptr<Environment>>(const Options& options)>;

}  // namespace millrace
