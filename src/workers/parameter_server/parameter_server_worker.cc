#include "workers/parameter_server/parameter_server_worker.h"

#include "millrace/core/status.h"

namespace millrace {

absl::Status RunParameterServerWorker(WorkerProcess& process) {
  const ExperimentConfig& config = process.config();
  MILLRACE_ASSIGN_OR_RETURN(Ledger* const ledger, process.CreateLedger());
  std::vector<WeightSpec> specs;
  for (const PolicyConfig& policy : config.policies) {
    MILLRACE_ASSIGN_OR_RETURN(const PolicyContract contract, process.AwaitContract(policy.name));
    specs.push_back({policy.name, contract.layout_hash, contract.weight_bytes});
  }
  MILLRACE_ASSIGN_OR_RETURN(
      const auto server,
      MakeWeightServer(ChooseTransport(config.weight_stream.transport, Transport::kShm),
                       process.stream_context(), specs));
  MILLRACE_RETURN_IF_ERROR(process.control().ReportReady());
  EnterActivity(Activity::kOther);
  // A draining run still serves its readers.
  while (process.command() < WorkerCommand::kExit) {
    const uint32_t seen = process.bell().Value();
    for (const WeightSpec& spec : specs) {
      ledger->SetMax(Counter::kPolicyVersion, server->Held(spec.policy).version);
    }
    const ActivityScope idle(Activity::kIdle);
    process.bell().Wait(seen, After(std::chrono::milliseconds(500)));
  }
  return absl::OkStatus();
}

}  // namespace millrace
