// What agents of hide and seek observe, in the order and under the names of OpenAI's public code.
#pragma once

#include <span>
#include <vector>

#include "env/hide_and_seek/episode.h"
#include "env/hide_and_seek/settings.h"
#include "millrace/data/spaces.h"
#include "millrace/data/tensor_view.h"

namespace millrace::hide_and_seek {

// clang-format off
//   observation_self     [10]           corner x, y, z, angle (not wrapped), their rates, 1 for hiders,
//                                       progress of the preparation
//   lidar                [rays, 1]      metres from the centre, ray k at k x 360 / rays degrees from +x
//   cylinder             [3]            if it is shown: x and y of its middle, diameter
//   spawn                [2]            if it is shown: corner x, y at the beginning of the episode
//   agent_qpos_qvel      [A - 1, 10]    the same ten numbers of the others: of agent i's those of
//                                       i - 1, i - 2, ... among the n that are there, then zeros
//   box_obs              [B, 12 or 15]  corner x, y, z, cos and sin of the angle, rates of x, y, z and the
//                                       angle; with elongated boxes their full size; locked by me, by my
//                                       team, by anyone
//   ramp_obs             [R, 9, 12 or 15]  as boxes: three zeros in place of the size, locks if ramps
//                                       can be locked
//   site_obs             [S, 15]        x, y, z of the middle and the corners of where boxes are wanted
//   food_obs             [F, 4]         x, y, z, health
//   door_obs             [D, 4]         if they are shown: x, y of the middle, length along x and y
//   mask_aa_obs, mask_ab_obs, mask_ar_obs, mask_as_obs, mask_af_obs  uint8: 1 for agents, boxes, ramps and
//                                       food in sight; of sites and doors (mask_ad_obs), 1 for those
//                                       that exist
//   ..._spoof            uint8: 1 for those that exist, which a critic that knows everything sees
// clang-format on
// With `egocentric`, behind the numbers above: the direction in which the agent looks (2; self and
// others); where a thing's middle is, ahead and to the left (2; others, boxes, ramps, food); where
// the observer is for the other agent (2); with doors shown, from the middle of an agent, box or
// ramp to that of the nearest door, along x and y (2).
// All are float32 but the masks; fields of things that can never exist are left out. A, B, R, S and
// F are the largest numbers that the settings allow, or what they pad them to. World axes, whatever
// the agent faces.
class Observer {
 public:
  explicit Observer(const Settings& settings);

  const ObservationSpec& spec() const { return spec_; }
  // Into one view per field, in spec order. Observations are of the moment after a step, or after
  // the episode began.
  void Write(const Episode& episode, int agent, std::span<const TensorView> views) const;

 private:
  void AddSet(const char* field, const char* mask, int64_t count, int64_t features);
  void WriteAgent(const Episode& episode, int viewer, int agent, std::span<float> out) const;
  void WriteDoor(const Scene& scene, int agent, const Door& door, std::span<float> out) const;
  void WriteThing(const Episode& episode, int agent, int thing, bool size, bool locks,
                  std::span<float> out) const;

  const Settings settings_;
  const int64_t to_door_;  // numbers that rows say of the nearest door
  ObservationSpec spec_;
  std::vector<Field> masks_;
};

}  // namespace millrace::hide_and_seek
