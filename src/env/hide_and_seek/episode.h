// One episode of a game: the world, its simulation, grips, locks and eyes, and the game's rules.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/hide_and_seek/action.h"
#include "env/hide_and_seek/food.h"
#include "env/hide_and_seek/locks.h"
#include "env/hide_and_seek/rules.h"
#include "env/hide_and_seek/scene.h"
#include "env/hide_and_seek/settings.h"
#include "env/hide_and_seek/sight.h"
#include "env/hide_and_seek/world.h"
#include "millrace/core/rng.h"

namespace millrace::hide_and_seek {

// Agents are numbered: hiders, then seekers. Thread-compatible.
class Episode {
 public:
  // kInternal if MuJoCo does not take the world.
  static absl::StatusOr<std::unique_ptr<Episode>> Begin(const Settings& settings, World world,
                                                        uint64_t seed);

  const Settings& settings() const { return settings_; }
  const Rules& rules() const { return *rules_; }
  const World& world() const { return world_; }
  const Scene& scene() const { return *scene_; }
  Scene& scene() { return *scene_; }
  const Sight& sight() const { return sight_; }
  const Food& food() const { return food_; }
  Food& food() { return food_; }
  int num_agents() const { return scene_->num_agents(); }
  bool is_hider(int agent) const { return agent < world_.hiders; }
  int64_t step() const { return step_; }
  void set_step(int64_t step) { step_ = step; }
  // Of the draws that steps make, and how many they have made.
  uint64_t seed() const { return seed_; }
  uint64_t draws() const { return rng_.counter(); }
  void SetRandom(uint64_t seed, uint64_t draws);

  bool preparing() const { return step_ < settings_.preparation_steps(); }
  // Of the preparation, as agents observe it: from 0 to 1.
  double progress() const { return rules_->Progress(*this); }
  bool over() const { return step_ >= settings_.horizon; }
  // By the rules.
  bool ended() const { return rules_->Ended(*this); }

  // Of a thing, box or ramp.
  bool locked(int thing) const;
  int owner(int thing) const;
  int LockedBoxes() const;
  void SetLock(int thing, bool locked, int owner);
  // A seeker sees the hider, or any.
  bool Seen(int hider) const;
  bool AnybodySeen() const;
  // Of the allowed area, with its middle.
  bool Outside(int body) const;
  // A box or ramp is, where that is penalised.
  bool ThingOutside() const;

  // Grips, then locks, then 15 steps of physics, with the eyes of the step before; then everybody
  // looks again. `actions` and `rewards`: one per agent. False if the simulation broke down: the
  // episode is worth nothing.
  bool Step(std::span<const Action> actions, std::span<float> rewards);
  // After the state was replaced.
  void Look() { sight_.Update(); }

 private:
  Episode(const Settings& settings, World world, std::unique_ptr<Scene> scene, uint64_t seed);
  void Grab(int agent, const Action& action);
  void UpdateLocks(Locks& locks, int first_thing);

  const Settings settings_;
  const World world_;
  const std::unique_ptr<Rules> rules_;
  const std::unique_ptr<Scene> scene_;
  Sight sight_;
  Locks box_locks_, ramp_locks_;
  Food food_;
  std::vector<uint8_t> teams_;  // per agent: 0 hiders, 1 seekers
  uint64_t seed_ = 0;
  Rng rng_;           // who owns a lock that several wished for
  int64_t step_ = 0;  // steps taken
  // Scratch of a step: [agents, things], [agents].
  std::vector<uint8_t> reaches_, wishes_;
};

}  // namespace millrace::hide_and_seek
