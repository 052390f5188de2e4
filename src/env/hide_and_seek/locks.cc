#include "env/hide_and_seek/locks.h"

namespace millrace::hide_and_seek {

Locks::Locks(Settings::Lock rule, int agents, int things)
    : rule_(rule),
      agents_(agents),
      locked_(static_cast<size_t>(things)),
      owners_(static_cast<size_t>(things)) {
  changes_.reserve(static_cast<size_t>(things));
}

std::span<const Locks::Change> Locks::Update(std::span<const uint8_t> reaches,
                                             std::span<const uint8_t> wishes,
                                             std::span<const uint8_t> teams, Rng& rng) {
  const bool unlocking_first =
      rule_ == Settings::Lock::kAllLock || rule_ == Settings::Lock::kAllLockTeamSpecific;
  changes_.clear();
  for (int thing = 0; thing < things(); ++thing) {
    const Votes votes = Count(thing, reaches, wishes, teams);
    const bool unlock = votes.against > 0 && (unlocking_first || votes.for_lock == 0);
    const bool lock = votes.for_lock > 0 && !(unlocking_first && unlock);
    const bool taken_over = rule_ == Settings::Lock::kAnyLockSpecific && locked(thing) &&
                            votes.for_lock > 0 && votes.against > 0;
    if (taken_over) {
      Set(thing, true, DrawOwner(thing, votes.for_lock, reaches, wishes, rng));
    } else if (lock && !locked(thing)) {
      Set(thing, true, DrawOwner(thing, votes.for_lock, reaches, wishes, rng));
      changes_.push_back({thing, true});
    } else if (unlock && locked(thing)) {
      Set(thing, false, owner(thing));
      changes_.push_back({thing, false});
    }
  }
  return changes_;
}

Locks::Votes Locks::Count(int thing, std::span<const uint8_t> reaches,
                          std::span<const uint8_t> wishes, std::span<const uint8_t> teams) const {
  Votes votes;
  for (int agent = 0; agent < agents_; ++agent) {
    if (reaches[static_cast<size_t>(agent * things() + thing)] == 0) continue;
    if (wishes[static_cast<size_t>(agent)] != 0) {
      ++votes.for_lock;
    } else if (MayUnlock(agent, thing, teams)) {
      ++votes.against;
    }
  }
  return votes;
}

bool Locks::MayUnlock(int agent, int thing, std::span<const uint8_t> teams) const {
  switch (rule_) {
    case Settings::Lock::kAllLockTeamSpecific:
      return teams[static_cast<size_t>(agent)] == teams[static_cast<size_t>(owner(thing))];
    case Settings::Lock::kAnyLockSpecific:
      return agent == owner(thing);
    case Settings::Lock::kAnyLock:
    case Settings::Lock::kAllLock:
      return true;
  }
  return true;
}

int Locks::DrawOwner(int thing, int wishers, std::span<const uint8_t> reaches,
                     std::span<const uint8_t> wishes, Rng& rng) const {
  auto left = static_cast<int>(rng.Below(static_cast<uint64_t>(wishers)));
  for (int agent = 0; agent < agents_; ++agent) {
    const bool wishes_it = wishes[static_cast<size_t>(agent)] != 0 &&
                           reaches[static_cast<size_t>(agent * things() + thing)] != 0;
    if (wishes_it && left-- == 0) return agent;
  }
  return 0;  // not reached: there are `wishers` of them
}

void Locks::Set(int thing, bool locked, int owner) {
  locked_[static_cast<size_t>(thing)] = locked ? 1 : 0;
  owners_[static_cast<size_t>(thing)] = owner;
}

}  // namespace millrace::hide_and_seek
