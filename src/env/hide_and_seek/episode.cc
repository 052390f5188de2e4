#include "env/hide_and_seek/episode.h"

#include <algorithm>
#include <cmath>

#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kForceStep = 18;  // N or N m between two levels
constexpr float kOutsidePenalty = -10;

// Of random numbers: not the one that worlds are drawn from.
constexpr uint64_t kStepStream = 1;

double Level(int32_t choice) { return kForceStep * (choice - kNeutralMove); }

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
      scene_(std::move(scene)),
      sight_(settings_, *scene_),
      box_locks_(settings.lock, num_agents(), scene_->num_boxes()),
      ramp_locks_(settings.lock, num_agents(), scene_->num_things() - scene_->num_boxes()),
      food_(settings, world_.food),
      reaches_(static_cast<size_t>(num_agents() * scene_->num_things())),
      eats_(static_cast<size_t>(num_agents()) * world_.food.size()),
      wishes_(static_cast<size_t>(num_agents())),
      eaten_(static_cast<size_t>(num_agents())) {
  for (int agent = 0; agent < num_agents(); ++agent) teams_.push_back(is_hider(agent) ? 0 : 1);
  SetRandom(seed, 0);
}

void Episode::SetRandom(uint64_t seed, uint64_t draws) {
  seed_ = seed;
  rng_ = Rng(seed, kStepStream, draws);
}

double Episode::progress() const {
  const double preparation = settings_.preparation * static_cast<double>(settings_.horizon);
  // The original adds this so that no preparation is no division by zero; 1 is reached a step late.
  constexpr double kEpsilon = 1e-5;
  return std::min(1.0, static_cast<double>(step_) / (preparation + kEpsilon));
}

bool Episode::locked(int thing) const {
  const int boxes = box_locks_.things();
  return thing < boxes ? box_locks_.locked(thing) : ramp_locks_.locked(thing - boxes);
}

int Episode::owner(int thing) const {
  const int boxes = box_locks_.things();
  return thing < boxes ? box_locks_.owner(thing) : ramp_locks_.owner(thing - boxes);
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
  SeeFood();
  for (int agent = 0; agent < num_agents(); ++agent) {
    const Action action = Allowed(agent, actions[static_cast<size_t>(agent)]);
    wishes_[static_cast<size_t>(agent)] = action.glue ? 1 : 0;
    Grab(agent, action);
    scene_->Push(agent, Level(action.move[0]), Level(action.move[1]), Level(action.move[2]));
  }
  if (settings_.lock_ramps) UpdateLocks(ramp_locks_, box_locks_.things());
  UpdateLocks(box_locks_, 0);
  if (!scene_->Step()) return false;
  sight_.Update();
  Eat();
  Pay(rewards);
  ++step_;
  return true;
}

Action Episode::Allowed(int agent, const Action& action) const {
  return preparing() && !is_hider(agent) ? Action() : action;
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
      const bool visible = settings_.lock_unseen || sight_.Sees(agent, num_agents() + thing);
      reaches_[static_cast<size_t>(agent * things + t)] =
          visible && scene_->Distance(agent, thing) <= settings_.reach ? 1 : 0;
    }
  }
  for (const auto& [t, locked] : locks.Update(reaches_, wishes_, teams_, rng_)) {
    locked ? scene_->Lock(first_thing + t) : scene_->Unlock(first_thing + t);
  }
}

// Hiders eat what they saw before the step if they are near it after the step.
void Episode::SeeFood() {
  const auto& sites = food_.sites();
  if (sites.empty()) return;
  const bool caught = !settings_.eat_when_seen && AnybodySeen();
  for (int agent = 0; agent < num_agents(); ++agent) {
    for (size_t s = 0; s < sites.size(); ++s) {
      const bool may = is_hider(agent) && !caught && !preparing() &&
                       sight_.SeesPoint(agent, {sites[s].x, sites[s].y, kFoodHeight});
      eats_[static_cast<size_t>(agent) * sites.size() + s] = may ? 1 : 0;
    }
  }
}

void Episode::Eat() {
  std::ranges::fill(eaten_, 0);
  const auto& sites = food_.sites();
  if (sites.empty()) return;
  for (int agent = 0; agent < num_agents(); ++agent) {
    const auto corner = scene_->Position(agent);
    for (size_t s = 0; s < sites.size(); ++s) {
      const double distance =
          std::hypot(sites[s].x - corner[0], sites[s].y - corner[1], kFoodHeight - corner[2]);
      uint8_t& eats = eats_[static_cast<size_t>(agent) * sites.size() + s];
      if (distance >= settings_.food_radius) eats = 0;
    }
  }
  food_.Step(eats_, eaten_);
}

void Episode::Pay(std::span<float> rewards) const {
  if (preparing()) {
    std::ranges::fill(rewards, 0.0F);
    return;
  }
  const bool caught = AnybodySeen();
  double food = 0;
  for (const double amount : eaten_) food += settings_.food_reward * amount;
  bool outside = false;  // a thing
  for (int t = 0; t < scene_->num_things() && settings_.penalize_objects_outside; ++t) {
    outside = outside || Outside(num_agents() + t);
  }
  for (int agent = 0; agent < num_agents(); ++agent) {
    float& reward = rewards[static_cast<size_t>(agent)];
    const bool seen = settings_.zero_sum_joint ? caught : InSight(agent);
    reward = seen == is_hider(agent) ? -1.0F : 1.0F;
    if (outside || Outside(agent)) reward = kOutsidePenalty;
    if (is_hider(agent)) reward += static_cast<float>(food / world_.hiders);
  }
}

bool Episode::InSight(int agent) const {
  if (is_hider(agent)) return Seen(agent);
  for (int hider = 0; hider < world_.hiders; ++hider) {
    if (sight_.Sees(agent, hider)) return true;
  }
  return false;
}

bool Episode::Outside(int body) const {
  const auto& [x0, y0, x1, y1] = settings_.allowed_area;
  const Vector3 centre = scene_->Centre(body);
  return centre[0] < x0 || centre[0] > x1 || centre[1] < y0 || centre[1] > y1;
}

}  // namespace millrace::hide_and_seek
