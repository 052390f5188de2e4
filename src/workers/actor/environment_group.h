// One group of environments in an actor's ring: the unit that asks for actions, steps and fills
// segments.
//
// A group advances by events, never blocks, and belongs to the ring in actor_worker.cc:
//
//   state           waits for                  then
//   kParked         a credit for every policy  open segments, request actions  -> kActing
//   kActing         replies of every policy    record, step; if the segment is
//                                                not full: request actions     -> kActing
//                                                full, next credits are here:
//                                                  request actions             -> kActing
//                                                full, no credits: request
//                                                  values only                 -> kBootstrapping
//   kBootstrapping  replies of every policy    commit the segments             -> kParked
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/ledger.h"
#include "millrace/env/vector_environment.h"
#include "workers/actor/policy_streams.h"
#include "workers/league/episode_begins.h"
#include "workers/league/league_score.h"

namespace millrace {

struct GroupOptions {
  int index = 0;            // within the actor
  int environments = 0;     // E
  uint64_t first_slot = 0;  // run-wide number of environment 0
  uint64_t seed = 0;
  uint64_t first_draw = 0;     // differs between incarnations, so that no episode is played twice
  bool deterministic = false;  // segments carry a snapshot of this group
  int groups = 1;              // of the actor
};

// Bound to the actor's thread.
class EnvironmentGroup {
 public:
  EnvironmentGroup(GroupOptions options, std::unique_ptr<VectorEnvironment> environment,
                   AgentPolicies agents, std::vector<PolicyStreams>* policies, Ledger* ledger);
  ~EnvironmentGroup();

  // Resets the environments, or restores `snapshot` (what an earlier segment carried).
  absl::Status Start(const std::string& snapshot);

  // Handles whatever has arrived for this group; true if anything had. `others_parked`: other
  // groups wait for credits, which come first.
  absl::StatusOr<bool> Advance(bool others_parked);

  bool parked() const { return state_ == State::kParked; }
  int index() const { return options_.index; }
  // Gives open slots back without producing them.
  void Abandon();

 private:
  enum class State { kParked, kActing, kBootstrapping };
  struct PolicyPart;  // buffers and the open segment of one policy, in the .cc

  absl::StatusOr<bool> TryStartSegments();
  bool ReserveNext();
  bool ReadNextReplies();
  absl::Status OnActions(bool others_parked);
  absl::Status OnLostState();
  absl::Status OnBootstrap();
  absl::Status FinishSegments();
  absl::Status PostRequests(bool value_only);
  absl::Status StepEnvironments();
  void OpenSegments();
  void RecordObservations(int step);
  void RecordReplies(int step);
  absl::Status RecordOutcomes(int step);
  void RecordFinalValues(int step);
  void TrackEpisodes();
  void DrawOpponents();
  void TrackStatistics();
  std::string Snapshot() const;
  absl::Status Restore(const std::string& snapshot);

  const GroupOptions options_;
  std::unique_ptr<VectorEnvironment> environment_;
  const AgentPolicies agent_policies_;
  std::vector<PolicyStreams>* const policies_;
  Ledger* const ledger_;

  std::vector<std::unique_ptr<PolicyPart>> parts_;
  std::vector<PolicyRows> rows_;
  std::vector<StatisticSum> statistics_;  // scratch
  struct League {
    explicit League(int environments)
        : begins(static_cast<size_t>(environments)), score(environments) {}
    EpisodeBegins begins;
    LeagueScore score;
  };
  std::optional<League> league_;  // if a policy has one
  State state_ = State::kParked;
  int unroll_ = 0;              // T
  int step_ = 0;                // steps recorded in the open segments
  uint64_t draw_;               // counter of the action draws
  bool restore_state_ = false;  // the next request carries recurrent state from a snapshot
};

}  // namespace millrace
