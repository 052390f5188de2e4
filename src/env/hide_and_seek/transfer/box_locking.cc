#include "env/hide_and_seek/transfer/box_locking.h"

#include <cmath>

namespace millrace::hide_and_seek {
namespace {

constexpr double kLockReward = 5, kUnlockPenalty = 5, kPerMetre = 0.5, kSuccessReward = 1;
constexpr int kAgent = 0;

}  // namespace

BoxLocking::BoxLocking(const Settings& settings)
    : TaskRules(settings.game == Game::kLockAndReturn
                    ? std::vector<std::string>{"locked", "returned"}
                    : std::vector<std::string>{"locked"}),
      settings_(settings),
      returns_(settings.game == Game::kLockAndReturn) {}

BoxLocking::Moment BoxLocking::Look(const Episode& episode) const {
  const Scene& scene = episode.scene();
  const auto& order = episode.world().lock_order;
  Moment moment;
  for (int box = 0; box < scene.num_boxes(); ++box) {
    moment.locked.push_back(episode.locked(box) ? 1 : 0);
    const int next = order.empty() ? box : order[static_cast<size_t>(box)];
    if (moment.target == kNoTarget && !episode.locked(next)) moment.target = next;
  }
  if (moment.target != kNoTarget) {
    const Vector3 at = scene.Centre(kAgent),
                  to = scene.Centre(episode.num_agents() + moment.target);
    moment.to_target = std::hypot(to[0] - at[0], to[1] - at[1]);
  }
  moment.to_spawn = ToSpawn(episode);
  return moment;
}

double BoxLocking::ToSpawn(const Episode& episode) const {
  const auto position = episode.scene().Position(kAgent);
  const auto& [x, y] = episode.world().agents[kAgent];
  return std::hypot(position[0] - x, position[1] - y);
}

// What is locked can always be unlocked.
bool BoxLocking::MayLock(const Episode& episode, int thing) const {
  return returns_ || thing >= episode.scene().num_boxes() || thing == before_.target ||
         episode.locked(thing);
}

void BoxLocking::Pay(Episode& episode, std::span<const Action> /*actions*/,
                     std::span<float> rewards) {
  const Moment now = Look(episode);
  double reward = kPerMetre * Approach(now);
  for (size_t box = 0; box < now.locked.size(); ++box) {
    if (now.locked[box] > before_.locked[box]) reward += kLockReward;
    if (now.locked[box] < before_.locked[box]) reward -= kUnlockPenalty;
  }
  if (Succeeds(episode)) reward += kSuccessReward;
  rewards[kAgent] = static_cast<float>(reward);
}

// Metres won since the last step.
double BoxLocking::Approach(const Moment& now) const {
  if (before_.target == kNoTarget && now.target == kNoTarget) {
    return returns_ ? before_.to_spawn - now.to_spawn : 0;
  }
  if (now.target == before_.target) return before_.to_target - now.to_target;
  const bool reached =
      before_.target != kNoTarget && now.locked[static_cast<size_t>(before_.target)] != 0;
  return reached ? before_.to_target : -now.to_target;
}

bool BoxLocking::Succeeds(const Episode& episode) const {
  return episode.LockedBoxes() == episode.scene().num_boxes() &&
         (!returns_ || ToSpawn(episode) <= settings_.spawn_radius);
}

std::vector<double> BoxLocking::Measure(const Episode& episode) const {
  std::vector<double> numbers = {static_cast<double>(episode.LockedBoxes())};
  if (returns_) numbers.push_back(ToSpawn(episode) <= settings_.spawn_radius ? 1 : 0);
  return numbers;
}

}  // namespace millrace::hide_and_seek
