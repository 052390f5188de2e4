// Numbers about an episode that tell the stages of hide and seek apart: those of OpenAI's public
// code (moved and locked things), and some that need no looking at films.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "env/hide_and_seek/episode.h"
#include "env/hide_and_seek/reachable.h"
#include "env/hide_and_seek/record.h"
#include "env/hide_and_seek/settings.h"

namespace millrace::hide_and_seek {

// clang-format off
//   hidden_fraction         steps after the preparation in which no seeker sees a hider and no hider
//                           is fined for what is outside, of all such
//   hider_return, seeker_return   mean over the team
//   max_box_move_prep, max_ramp_move_prep   the farthest any has come from where it began, in metres, after
//   num_box_lock_prep, num_ramp_lock_prep   the first step that is paid; how many are locked then
//   box_lock_fraction_prep  how many of the boxes are locked then
//   max_box_move, max_ramp_move, num_box_lock, num_ramp_lock   the same at the end of the episode
//   enclosed_prep           1 if no seeker can walk to a hider after the first step that is paid
//   doors_blocked_prep      1 if a thing stands in every door then and all hiders are in the room
//   ramp_in_room_prep       1 if a ramp is in the room then
//   ramp_far_prep           metres from a ramp to the box nearest to it then, in the mean over ramps
//   wall_cross              1 if a seeker later climbs to where it could not have walked then
//   seeker_high_fraction    steps after the preparation with a seeker higher than 0.3 m: on a box or ramp
//   surf_distance           metres seekers travelled standing on a box that they hold
//   hider_speed, seeker_speed   metres a second, mean over the team
//   held_fraction           share of agents that hold a thing, over all steps
//   outside_fraction        steps after the preparation with an agent outside of the allowed area, or
//                           a thing where that is penalised
//   discarded               1 if the simulation broke down
// clang-format on
// Those of a room are NaN where there is none, those of the preparation if it never ended, and all
// but
// the last of an episode that did not begin here (restored, or from a state).
// Thread-compatible.
class Statistics final : public Record {
 public:
  static const std::vector<std::string>& Names();

  Statistics(const Settings& settings, const Episode& episode);

  void Count(std::span<const float> rewards) override;
  std::span<const double> Finish(bool discarded) override;

 private:
  void CountThings(bool at_end);
  void CountRoom();
  double Moved(int thing) const;
  bool InRoom(const Vector3& point) const;
  bool DoorsBlocked() const;
  double RampDistance() const;
  double Surfed(int seeker) const;
  double Travelled(int agent) const;  // in this step
  void WatchClimber(int seeker);

  const Settings settings_;
  const Episode& episode_;
  std::vector<Vector3> began_;   // per thing
  std::vector<Vector3> before_;  // per agent: where it was a step ago
  Reachable reachable_;          // known once the preparation is over
  enum class Place : uint8_t { kWithinReach, kUp, kBeyond };
  std::vector<Place> places_;  // per agent; kUp: on something, coming from within reach
  std::vector<double> values_;
  int64_t steps_ = 0, scored_ = 0, hidden_ = 0, high_ = 0, outside_ = 0;
  double held_ = 0;
  bool whole_ = true;      // it saw the episode begin
  bool prepared_ = false;  // agents have observed that the preparation is over
};

}  // namespace millrace::hide_and_seek
