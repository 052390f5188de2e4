#include "env/hide_and_seek/episode.h"

#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

// Of random numbers: not the one that worlds are drawn from.
constexpr uint64_t kStepStream = 1;

}  // namespace

absl::StatusOr<std::unique_ptr<Episode>> Episode::Begin(const Settings& settings, World world,
                                                        uint64_t seed) {
  MILLRACE_ASSIGN_OR_RETURN(auto scene, Scene::Create(settings, world));
  std::unique_ptr<Episode> episode(new Episode(settings, std::move(world), std::move(scene), seed));
  episode->Look();
  return episode;
}

Episode::Episode(const Settings& settings, World world, std::unique_ptr<Scene> scene, uint64_t seed)
    : settings_(settings),
      world_(std::move(world)),
      rules_(MakeRules(settings_)),
      scene_(std::move(scene)),
      sight_(settings_, *scene_),
      box_locks_(settings.lock, num_agents(), scene_->num_boxes()),
      ramp_locks_(settings.lock, num_agents(), scene_->num_things() - scene_->num_boxes()),
      food_(settings, world_.food),
      reaches_(static_cast<size_t>(num_agents() * scene_->num_things())),
      wishes_(static_cast<size_t>(num_agents())) {
  for (int agent = 0; agent < num_agents(); ++agent) teams_.push_back(is_hider(agent) ? 0 : 1);
  SetRandom(seed, 0);
}

void Episode::SetRandom(uint64_t seed, uint64_t draws) {
  seed_ = seed;
  rng_ = Rng(seed, kStepStream, draws);
}

bool Episode::locked(int thing) const {
  const int boxes = box_locks_.things();
  return thing < boxes ? box_locks_.locked(thing) : ramp_locks_.locked(thing - boxes);
}

int Episode::owner(int thing) const {
  const int boxes = box_locks_.things();
  return thing < boxes ? box_locks_.owner(thing) : ramp_locks_.owner(thing - boxes);
}

int Episode::LockedBoxes() const {
  int count = 0;
  for (int box = 0; box < scene_->num_boxes(); ++box) count += locked(box) ? 1 : 0;
  return count;
}

void Episode::SetLock(int thing, bool locked, int owner) {
  const int boxes = box_locks_.things();
  thing < boxes ? box_locks_.Set(thing, locked, owner)
                : ramp_locks_.Set(thing - boxes, locked, owner);
}

bool Episode::Seen(int hider) const {
  for (int agent = world_.hiders; agent < num_agents(); ++agent) {
    if (sight_.Sees(agent, hider)) return true;
  }
  return false;
}

bool Episode::AnybodySeen() const {
  for (int hider = 0; hider < world_.hiders; ++hider) {
    if (Seen(hider)) return true;
  }
  return false;
}

bool Episode::Step(std::span<const Action> actions, std::span<float> rewards) {
  rules_->BeginStep(*this);
  for (int agent = 0; agent < num_agents(); ++agent) {
    const Action action = rules_->Allowed(*this, agent, actions[static_cast<size_t>(agent)]);
    wishes_[static_cast<size_t>(agent)] = action.glue ? 1 : 0;
    Grab(agent, action);
    scene_->Push(agent, ForceOf(action.move[0]), ForceOf(action.move[1]), ForceOf(action.move[2]));
  }
  if (settings_.lock_ramps) UpdateLocks(ramp_locks_, box_locks_.things());
  UpdateLocks(box_locks_, 0);
  if (!scene_->Step()) return false;
  sight_.Update();
  rules_->Pay(*this, actions, rewards);
  ++step_;
  return true;
}

void Episode::Grab(int agent, const Action& action) {
  int nearest = Scene::kNoThing;
  double shortest = settings_.reach;
  for (int thing = 0; action.pull && thing < scene_->num_things(); ++thing) {
    if (!settings_.grab_unseen && !sight_.Sees(agent, num_agents() + thing)) continue;
    const double distance = scene_->Distance(agent, thing);
    const bool nearer = nearest == Scene::kNoThing ? distance <= shortest : distance < shortest;
    if (!nearer) continue;
    shortest = distance;
    nearest = thing;
  }
  scene_->Hold(agent, nearest);
}

void Episode::UpdateLocks(Locks& locks, int first_thing) {
  const int things = locks.things();
  for (int agent = 0; agent < num_agents(); ++agent) {
    for (int t = 0; t < things; ++t) {
      const int thing = first_thing + t;
      const bool open = rules_->MayLock(*this, thing) &&
                        (settings_.lock_unseen || sight_.Sees(agent, num_agents() + thing));
      reaches_[static_cast<size_t>(agent * things + t)] =
          open && scene_->Distance(agent, thing) <= settings_.reach ? 1 : 0;
    }
  }
  for (const auto& [t, locked] : locks.Update(reaches_, wishes_, teams_, rng_)) {
    locked ? scene_->Lock(first_thing + t) : scene_->Unlock(first_thing + t);
  }
}

bool Episode::Outside(int body) const {
  const auto& [x0, y0, x1, y1] = settings_.allowed_area;
  const Vector3 centre = scene_->Centre(body);
  return centre[0] < x0 || centre[0] > x1 || centre[1] < y0 || centre[1] > y1;
}

bool Episode::ThingOutside() const {
  if (!settings_.penalize_objects_outside) return false;
  for (int thing = 0; thing < scene_->num_things(); ++thing) {
    if (Outside(num_agents() + thing)) return true;
  }
  return false;
}

}  // namespace millrace::hide_and_seek
