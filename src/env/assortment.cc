// A room with a door, keys and a rope, for up to three agents that cannot see each other. In every
// step an agent
//   opens one of 4 doors: right is the row of the brightest pixel of `picture`;
//   takes one of 3 keys:  right is the one `cue` shows;
//   pulls a rope in 2 dimensions: right is `target`.
// It is paid 0.4 for the door, 0.3 for the key and 0.3 x max(0, 1 - mean distance) for the rope.
// Some wrong doors and keys are masked in each step; taking one is an error, as is pulling out of
// the box: whoever samples the actions must keep to the rules.
//
// agent_0 is there for the whole episode, which is truncated by the time limit. agent_1 leaves by
// terminating and agent_2 by being gone (which counts as truncated); both come back later with a
// new cue.
//
// All that happens is a function of (seed, agent, step), so the state is small.
#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "env/builtin_environments.h"
#include "env/classic_control.h"

namespace millrace {
namespace {

constexpr size_t kAgents = 3;
constexpr int32_t kDoors = 4;
constexpr int32_t kKeys = 3;
constexpr size_t kAxes = 2;
constexpr uint64_t kSeedMask = (uint64_t{1} << 53) - 1;  // exact as a double

enum FieldIndex : size_t { kPicture, kTarget, kClock, kCue, kMask };
enum Purpose : uint64_t { kScene, kPresence, kNewCue };

// What one agent faces in one step.
struct Scene {
  std::array<uint8_t, kDoors * kDoors> picture{};
  std::array<float, kAxes> target{};
  std::array<uint8_t, kDoors + kKeys> mask{};
  int32_t door = 0;
};

struct Agent {
  uint8_t present = 0;
  int32_t cue = 0;
  int64_t age = 0;  // steps since it came
};

AgentSpec SpecOf(size_t agent) {
  AgentSpec spec;
  spec.name = absl::StrCat("agent_", agent);
  spec.observation.fields = {
      {"picture", DType::kUInt8, {kDoors, kDoors}, Extent::kRows},
      {"target", DType::kFloat32, {kAxes}, Extent::kRows},
      {"clock", DType::kInt64, {}, Extent::kRows},
      {"cue", DType::kFloat32, {kKeys}, Extent::kRows},
      {kActionMask, DType::kUInt8, {kDoors + kKeys}, Extent::kRows},
  };
  ActionComponent door = ActionSpec::Discrete(kDoors).components.front();
  ActionComponent key = ActionSpec::Discrete(kKeys).components.front();
  ActionComponent rope = ActionSpec::Continuous({-1, -1}, {1, 1}).components.front();
  door.name = "door";
  key.name = "key";
  rope.name = "rope";
  spec.action.components = {door, key, rope};
  return spec;
}

class Assortment : public Environment {
 public:
  Assortment(bool memory, int64_t max_episode_steps)
      : memory_(memory), max_episode_steps_(max_episode_steps) {
    for (size_t a = 0; a < kAgents; ++a) spec_.agents.push_back(SpecOf(a));
  }

  const EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t seed, std::span<AgentSlot> slots) override {
    seed_ = seed & kSeedMask;
    step_ = 0;
    agents_ = {};
    Enter(0);
    if (Draw(1, kPresence).Uniform() < 0.5) Enter(1);
    Observe(slots);
    return absl::OkStatus();
  }

  absl::Status Step(std::span<AgentSlot> slots) override {
    for (size_t a = 0; a < kAgents; ++a) {
      if (!slots[a].present) continue;
      const Scene scene = SceneOf(a);
      MILLRACE_RETURN_IF_ERROR(CheckAction(a, scene, slots[a]));
      slots[a].reward = Reward(scene, agents_[a].cue, slots[a]);
      ++agents_[a].age;
    }
    ++step_;
    for (size_t a = 0; a < kAgents; ++a) {
      const bool acted = slots[a].present;
      if (acted) Write(a, slots[a]);  // the last observation of those who leave now
      if (acted) slots[a].truncated = step_ >= max_episode_steps_;
      ComeAndGo(a, slots[a]);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<double>> PhysicalState() const override {
    return std::vector<double>{static_cast<double>(seed_)};
  }
  ExtraState Extra() const override;
  absl::Status ResetTo(std::span<const double> state, const ExtraState& extra,
                       std::span<AgentSlot> slots) override;
  absl::StatusOr<std::string> SaveState() const override;
  absl::Status RestoreState(std::string_view saved, std::span<AgentSlot> slots) override;

 private:
  // Random numbers of one agent in the current step, for one purpose.
  Rng Draw(size_t agent, Purpose purpose) const {
    const uint64_t who = agent * 8 + purpose;
    return Rng(seed_, (who << 56) + static_cast<uint64_t>(step_));
  }

  void Enter(size_t agent) {
    agents_[agent] = {1, static_cast<int32_t>(Draw(agent, kNewCue).Below(kKeys)), 0};
  }

  // agent_1 and agent_2 stay 10 steps and are away 3 on average.
  void ComeAndGo(size_t agent, AgentSlot& slot) {
    if (agent == 0 || step_ >= max_episode_steps_) return;
    const double chance = Draw(agent, kPresence).Uniform();
    if (slot.present && chance < 0.1) {
      if (agent == 1) slot.terminated = true;
      slot.present = false;
      agents_[agent].present = 0;
    } else if (!slot.present && chance < 0.3) {
      Enter(agent);
      slot.present = true;
      Write(agent, slot);
    }
  }

  Scene SceneOf(size_t agent) const;
  absl::Status CheckAction(size_t agent, const Scene& scene, const AgentSlot& slot) const;
  static float Reward(const Scene& scene, int32_t cue, const AgentSlot& slot);

  void Write(size_t agent, const AgentSlot& slot) const {
    const Scene scene = SceneOf(agent);
    std::ranges::copy(scene.picture, slot.observation[kPicture].As<uint8_t>().begin());
    std::ranges::copy(scene.target, slot.observation[kTarget].As<float>().begin());
    slot.observation[kClock].As<int64_t>()[0] = agents_[agent].age;
    const std::span<float> cue = slot.observation[kCue].As<float>();
    std::ranges::fill(cue, 0.0f);
    const bool shown = !memory_ || agents_[agent].age == 0;
    if (shown) cue[static_cast<size_t>(agents_[agent].cue)] = 1.0f;
    std::ranges::copy(scene.mask, slot.observation[kMask].As<uint8_t>().begin());
  }

  void Observe(std::span<AgentSlot> slots) const {
    for (size_t a = 0; a < kAgents; ++a) {
      slots[a].present = agents_[a].present != 0;
      if (slots[a].present) Write(a, slots[a]);
    }
  }

  const bool memory_;
  const int64_t max_episode_steps_;
  EnvironmentSpec spec_;
  uint64_t seed_ = 0;
  int64_t step_ = 0;
  std::array<Agent, kAgents> agents_{};
};

Scene Assortment::SceneOf(size_t agent) const {
  Rng rng = Draw(agent, kScene);
  Scene scene;
  scene.door = static_cast<int32_t>(rng.Below(kDoors));
  for (uint8_t& pixel : scene.picture) pixel = static_cast<uint8_t>(rng.Below(2));
  const auto column = static_cast<size_t>(rng.Below(kDoors));
  scene.picture[static_cast<size_t>(scene.door) * kDoors + column] = 3;
  for (float& value : scene.target) value = static_cast<float>(rng.Uniform(-0.9, 0.9));
  for (uint8_t& allowed : scene.mask) allowed = rng.Uniform() < 0.7 ? 1 : 0;
  scene.mask[static_cast<size_t>(scene.door)] = 1;
  scene.mask[static_cast<size_t>(kDoors + agents_[agent].cue)] = 1;
  return scene;
}

absl::Status Assortment::CheckAction(size_t agent, const Scene& scene,
                                     const AgentSlot& slot) const {
  const std::array<int32_t, 2> choices = {kDoors, kKeys};
  size_t begin = 0;
  for (size_t c = 0; c < choices.size(); ++c) {
    const int32_t choice = slot.discrete[c];
    if (choice < 0 || choice >= choices[c] ||
        scene.mask[begin + static_cast<size_t>(choice)] == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("agent \"", spec_.agents[agent].name, "\": component \"",
                       spec_.agents[agent].action.components[c].name,
                       "\": expected a choice that the action mask allows, got ", choice));
    }
    begin += static_cast<size_t>(choices[c]);
  }
  for (float pull : slot.continuous) {
    if (pull >= -1.0f && pull <= 1.0f) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("agent \"", spec_.agents[agent].name,
                     "\": component \"rope\": expected numbers from -1 to 1, got ", pull));
  }
  return absl::OkStatus();
}

float Assortment::Reward(const Scene& scene, int32_t cue, const AgentSlot& slot) {
  float distance = 0;
  for (size_t i = 0; i < kAxes; ++i) distance += std::abs(slot.continuous[i] - scene.target[i]);
  const float rope = std::max(0.0f, 1.0f - distance / static_cast<float>(kAxes));
  return (slot.discrete[0] == scene.door ? 0.4f : 0.0f) + (slot.discrete[1] == cue ? 0.3f : 0.0f) +
         0.3f * rope;
}

ExtraState Assortment::Extra() const {
  ExtraState extra = {{"step", {static_cast<double>(step_)}}};
  for (size_t a = 0; a < kAgents; ++a) {
    extra[absl::StrCat("present_", a)] = {static_cast<double>(agents_[a].present)};
    extra[absl::StrCat("cue_", a)] = {static_cast<double>(agents_[a].cue)};
    extra[absl::StrCat("age_", a)] = {static_cast<double>(agents_[a].age)};
  }
  return extra;
}

absl::Status Assortment::ResetTo(std::span<const double> state, const ExtraState& extra,
                                 std::span<AgentSlot> slots) {
  MILLRACE_RETURN_IF_ERROR(CheckStateSize(1, state));
  if (!IsWholeNumber(state[0], kMaxWholeNumber)) {
    return absl::InvalidArgumentError(
        absl::StrCat("state: seed: expected a whole number below 2^53, got ", state[0]));
  }
  std::map<std::string, double> highest = {{"step", kMaxWholeNumber}};
  for (size_t a = 0; a < kAgents; ++a) {
    highest[absl::StrCat("present_", a)] = 1;
    highest[absl::StrCat("cue_", a)] = kKeys - 1;
    highest[absl::StrCat("age_", a)] = kMaxWholeNumber;
  }
  MILLRACE_ASSIGN_OR_RETURN(const auto numbers, ReadExtra(extra, highest));
  if (extra.empty()) return Reset(static_cast<uint64_t>(state[0]), slots);
  seed_ = static_cast<uint64_t>(state[0]);
  step_ = static_cast<int64_t>(numbers.at("step"));
  for (size_t a = 0; a < kAgents; ++a) {
    agents_[a].present = static_cast<uint8_t>(numbers.at(absl::StrCat("present_", a)));
    agents_[a].cue = static_cast<int32_t>(numbers.at(absl::StrCat("cue_", a)));
    agents_[a].age = static_cast<int64_t>(numbers.at(absl::StrCat("age_", a)));
  }
  agents_[0].present = 1;
  Observe(slots);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Assortment::SaveState() const {
  StateWriter writer;
  writer.Put(seed_);
  writer.Put(step_);
  for (const Agent& agent : agents_) {
    writer.Put(agent.present);
    writer.Put(agent.cue);
    writer.Put(agent.age);
  }
  return writer.Take();
}

absl::Status Assortment::RestoreState(std::string_view saved, std::span<AgentSlot> slots) {
  StateReader reader(saved);
  reader.Get(seed_);
  reader.Get(step_);
  for (Agent& agent : agents_) {
    reader.Get(agent.present);
    reader.Get(agent.cue);
    reader.Get(agent.age);
    if (agent.cue < 0 || agent.cue >= kKeys) {
      return absl::DataLossError("saved state of assortment: bad cue");
    }
  }
  MILLRACE_RETURN_IF_ERROR(reader.Finish());
  Observe(slots);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Environment>> MakeAssortment(const Options& options) {
  const bool memory = options.GetBool("memory", false);
  const int64_t limit = MaxEpisodeSteps(options, 16);
  MILLRACE_RETURN_IF_ERROR(options.Finish("assortment"));
  return std::make_unique<Assortment>(memory, limit);
}

}  // namespace millrace
