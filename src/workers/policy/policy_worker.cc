#include "workers/policy/policy_worker.h"

#include <spdlog/spdlog.h>

#include "millrace/core/status.h"

namespace millrace {
namespace {

// Policy workers go on while the run drains: actors still ask for bootstrap values. They end by
// kExit.
absl::Status Serve(WorkerProcess& process, PolicyService& service) {
  bool ready = false;
  EnterActivity(Activity::kOther);
  return service.Serve(
      process.bell(), [&](uint32_t seen, Deadline deadline) { process.AwaitBell(seen, deadline); },
      [&]() -> absl::StatusOr<bool> {
        if (!ready && service.HasWeights()) {
          ready = true;
          MILLRACE_RETURN_IF_ERROR(process.control().ReportReady());
        }
        return process.command() < WorkerCommand::kExit;
      });
}

}  // namespace

absl::Status RunPolicyWorker(WorkerProcess& process, const Registry& registry,
                             const InferenceModelFactory& make_model) {
  const ExperimentConfig& config = process.config();
  MILLRACE_ASSIGN_OR_RETURN(const AgentAssignment assignment, AssignAgents(registry, config));
  MILLRACE_ASSIGN_OR_RETURN(Ledger* const ledger, process.CreateLedger());
  std::vector<PolicyContract> contracts;
  for (const PolicyAgents& policy : assignment.policies) {
    MILLRACE_ASSIGN_OR_RETURN(contracts.emplace_back(), process.AwaitContract(policy.policy));
  }
  const StreamContext context = process.stream_context();
  MILLRACE_ASSIGN_OR_RETURN(
      const auto service,
      PolicyService::Create(PolicyServiceOptions::From(config, process.paths()), context, context,
                            config, assignment.policies, contracts, make_model, ledger));
  return Serve(process, *service);
}

}  // namespace millrace
