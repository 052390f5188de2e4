// Batched inference for all policies of a run: what a policy worker does, and what an actor with
// inline inference does for itself.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/experiment.h"
#include "core/doorbell.h"
#include "core/run_paths.h"
#include "data/ledger.h"
#include "millrace/inference/inference_model.h"
#include "streams/factory.h"
#include "workers/common/agent_assignment.h"
#include "workers/common/policy_contract.h"
#include "workers/league/past_versions.h"
#include "workers/policy/inference_batch.h"
#include "workers/policy/recurrent_states.h"

namespace millrace {

// Makes the acting side of a policy's model.
using InferenceModelFactory = std::function<absl::StatusOr<std::unique_ptr<InferenceModel>>(
    const PolicyConfig& policy, const PolicyAgents& agents)>;

// The built-in models without LibTorch.
absl::StatusOr<std::unique_ptr<InferenceModel>> MakeNativeInferenceModel(
    const PolicyConfig& policy, const PolicyAgents& agents);

struct PolicyServiceOptions {
  // As the experiment says, for a server outside the actors.
  static PolicyServiceOptions From(const ExperimentConfig& config, const RunPaths& paths);

  Transport inference = Transport::kShm;
  Transport weight = Transport::kShm;
  int max_batch = 256;          // rows
  Clock::duration max_delay{};  // how long the oldest request may wait for company
  uint64_t seed = 0;
  int rows_per_agent = 0;  // environments of one group; a request has rows x agents rows
  std::filesystem::path run_directory;  // past versions lie there
};

// Requests are answered when max_batch rows wait or the oldest has waited max_delay; while a batch
// is computed, requests accumulate. A request waits in any case until the version it asks for has
// arrived. Bound to one thread.
class PolicyService {
 public:
  // `policies`, `contracts`: in the order of the experiment's policies. The contexts differ only in
  // an actor with inline inference, whose requests stay inside the process.
  static absl::StatusOr<std::unique_ptr<PolicyService>> Create(
      const PolicyServiceOptions& options, const StreamContext& weight_context,
      const StreamContext& inference_context, const ExperimentConfig& config,
      const std::vector<PolicyAgents>& policies, const std::vector<PolicyContract>& contracts,
      const InferenceModelFactory& make_model, Ledger* ledger);

  // One round without waiting: takes new weights, collects requests, answers what is due. Returns
  // how many requests were answered.
  absl::StatusOr<int> Poll();
  // Polls until `go_on`, asked after each round, says no; waits at `bell` with `wait` when there is
  // nothing to do.
  absl::Status Serve(Doorbell& bell, const std::function<void(uint32_t seen, Deadline)>& wait,
                     const std::function<absl::StatusOr<bool>()>& go_on);
  // When Poll() will have something to do although no doorbell rings: the oldest request's delay.
  Deadline NextDeadline() const;
  // Whether any policy has weights (the worker is ready).
  bool HasWeights() const;

 private:
  struct Served {
    std::string name;
    InferenceSpec spec;
    std::unique_ptr<InferenceModel> model;
    std::unique_ptr<PastVersions> past;  // null without a league
    std::unique_ptr<InferenceBatch> batch;
    std::unique_ptr<InferenceServer> server;
    std::unique_ptr<WeightReader> weights;
    std::vector<std::byte> blob;
    WeightVersion loaded;
    bool has_weights = false;
    RecurrentStates states;
    std::vector<PendingRequest> waiting;
    std::vector<ReplyHeader> headers;
  };

  PolicyService(PolicyServiceOptions options, Ledger* ledger)
      : options_(options), ledger_(ledger) {}
  absl::Status LoadWeights(Served& served);
  absl::StatusOr<int> AnswerDue(Served& served);

  const PolicyServiceOptions options_;
  Ledger* const ledger_;
  std::vector<std::unique_ptr<Served>> served_;
};

}  // namespace millrace
