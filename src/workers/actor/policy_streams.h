// The actor's ends of the streams of one policy.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "millrace/registry/registry.h"
#include "streams/inference_stream.h"
#include "streams/sample_stream.h"
#include "workers/common/agent_assignment.h"
#include "workers/common/policy_contract.h"

namespace millrace {

// Shared by the actor's groups. Bound to the actor's thread.
struct PolicyStreams {
  // Moves credits that have arrived into the pool. Those of an older trainer group are void: the
  // demand they were meant for is posted again.
  void CollectCredits();
  std::optional<Credit> TakeCredit();
  // Deterministic runs: the credits of a batch go round the `groups`, so that which group takes
  // which does not depend on who asks first. Null if it is not this group's turn.
  std::optional<Credit> TakeCreditInTurn(int group, int groups);

  std::string policy;
  uint32_t policy_index = 0;  // in sorted order
  PolicyAgents agents;
  PolicyContract contract;
  int rows = 0;  // B of every group
  std::optional<LeagueConfig> league;
  std::unique_ptr<InferenceClient> inference;
  std::unique_ptr<SampleProducer> samples;
  std::vector<const SampleField*> extra_fields;  // computed here
  std::deque<Credit> credits;
  struct {
    uint64_t epoch = 0, batch = 0, taken = 0;
  } turn;
};

}  // namespace millrace
