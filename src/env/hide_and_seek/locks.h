// Which things are locked and by whom: the rules of OpenAI's public code, without physics.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "env/hide_and_seek/settings.h"
#include "millrace/core/rng.h"

namespace millrace::hide_and_seek {

// A lock is a level, not a toggle: per step every agent wishes for locks or does not, and that
// counts for all things it reaches. Under the default rule (kAllLockTeamSpecific) a thing
//   is unlocked if an agent of its owner's team reaches it and does not wish,
//   else is locked if any agent reaches it and wishes.
// The owner is drawn among those who wish when it becomes locked, and stays the owner when it is
// unlocked; at first it is agent 0. So an idle agent 0's team-mate vetoes locks of a thing nobody
// locked yet, by either team. Thread-compatible.
class Locks {
 public:
  Locks(Settings::Lock rule, int agents, int things);

  // What one step did.
  struct Change {
    int thing;
    bool locked;
  };
  // `reaches` [agents, things]: near and, unless unseen things may be locked, visible. `wishes` and
  // `teams` [agents]. The result is valid until the next call.
  std::span<const Change> Update(std::span<const uint8_t> reaches, std::span<const uint8_t> wishes,
                                 std::span<const uint8_t> teams, Rng& rng);

  int things() const { return static_cast<int>(locked_.size()); }
  bool locked(int thing) const { return locked_[static_cast<size_t>(thing)] != 0; }
  int owner(int thing) const { return owners_[static_cast<size_t>(thing)]; }
  void Set(int thing, bool locked, int owner);

 private:
  struct Votes {
    int for_lock = 0,
        against = 0;  // among those who reach it; `against` only of those who may unlock
  };
  Votes Count(int thing, std::span<const uint8_t> reaches, std::span<const uint8_t> wishes,
              std::span<const uint8_t> teams) const;
  bool MayUnlock(int agent, int thing, std::span<const uint8_t> teams) const;
  int DrawOwner(int thing, int wishers, std::span<const uint8_t> reaches,
                std::span<const uint8_t> wishes, Rng& rng) const;

  const Settings::Lock rule_;
  const int agents_;
  std::vector<uint8_t> locked_;
  std::vector<int> owners_;
  std::vector<Change> changes_;
};

}  // namespace millrace::hide_and_seek
