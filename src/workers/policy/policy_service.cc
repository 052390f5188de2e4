#include "workers/policy/policy_service.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "inference/sparse_model.h"
#include "inference/sparsity.h"
#include "inference/unpacked_model.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"
#include "workers/common/worker_process.h"

namespace millrace {
namespace {

constexpr auto kIdleWait = std::chrono::milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<InferenceModel>> MakeNativeInferenceModel(
    const PolicyConfig& policy, const PolicyAgents& agents) {
  Options options = policy.model.options;
  options.Set("type",
              {.items = {policy.model.type}, .is_list = false, .where = policy.model.where});
  MILLRACE_ASSIGN_OR_RETURN(const ModelSpec spec,
                            ModelSpec::FromOptions(options, agents.observation, agents.action));
  if (policy.backend.type == Sparsity::kBackend) {
    MILLRACE_ASSIGN_OR_RETURN(const Sparsity sparsity,
                              Sparsity::FromOptions(policy.backend.options, spec));
    if (spec.type == "mlp") return std::make_unique<SparseModel>(spec, sparsity);
    MILLRACE_ASSIGN_OR_RETURN(auto dense, MakeNativeModel(spec));
    return std::make_unique<UnpackedModel>(spec, sparsity, std::move(dense));
  }
  return MakeNativeModel(spec);
}

PolicyServiceOptions PolicyServiceOptions::From(const ExperimentConfig& config,
                                                const RunPaths& paths) {
  PolicyServiceOptions options;
  options.inference = ChooseTransport(config.inference_stream.transport, Transport::kShm);
  options.weight = ChooseTransport(config.weight_stream.transport, Transport::kShm);
  options.max_batch = config.policy_worker.max_batch;
  options.max_delay = std::chrono::microseconds(config.policy_worker.max_delay_us);
  options.seed = config.seed;
  options.rows_per_agent = config.segment_environments();
  options.run_directory = paths.root();
  return options;
}

absl::StatusOr<std::unique_ptr<PolicyService>> PolicyService::Create(
    const PolicyServiceOptions& options, const StreamContext& weight_context,
    const StreamContext& inference_context, const ExperimentConfig& config,
    const std::vector<PolicyAgents>& policies, const std::vector<PolicyContract>& contracts,
    const InferenceModelFactory& make_model, Ledger* ledger) {
  std::unique_ptr<PolicyService> service(new PolicyService(options, ledger));
  for (size_t p = 0; p < policies.size(); ++p) {
    auto served = std::make_unique<Served>();
    served->name = policies[p].policy;
    const auto policy = std::ranges::find(config.policies, served->name, &PolicyConfig::name);
    MILLRACE_CHECK(policy != config.policies.end(), "a policy that is not in the experiment");
    MILLRACE_ASSIGN_OR_RETURN(served->model, make_model(*policy, policies[p]));
    if (served->model->layout_hash() != contracts[p].layout_hash ||
        served->model->weight_bytes() != contracts[p].weight_bytes) {
      return absl::InvalidArgumentError(fmt::format(
          "policy \"{}\": this worker and the trainer build different models (weights of {} and {} "
          "bytes); are the plug-ins and binaries the same?",
          served->name, served->model->weight_bytes(), contracts[p].weight_bytes));
    }
    served->spec = {.policy = served->name,
                    .observation = policies[p].observation,
                    .action = policies[p].action,
                    .rows = options.rows_per_agent * policies[p].agents,
                    .state_size = static_cast<int32_t>(contracts[p].state_size)};
    if (policy->league.has_value() && policy->league->share > 0) {
      MILLRACE_ASSIGN_OR_RETURN(LeagueStore store,
                                LeagueStore::Open(RunPaths(options.run_directory), served->name,
                                                  served->model->layout()));
      served->past = std::make_unique<PastVersions>(
          std::move(store), *policy->league, [make_model, policy = *policy, agents = policies[p]] {
            return make_model(policy, agents);
          });
    }
    served->batch = std::make_unique<InferenceBatch>(served->model.get(), served->spec,
                                                     options.seed, served->past.get());
    served->blob.resize(contracts[p].weight_bytes);
    const WeightSpec weights{served->name, contracts[p].layout_hash, served->blob.size()};
    MILLRACE_ASSIGN_OR_RETURN(served->weights,
                              MakeWeightReader(options.weight, weight_context, weights));
    MILLRACE_ASSIGN_OR_RETURN(
        served->server, MakeInferenceServer(options.inference, inference_context, served->spec));
    service->served_.push_back(std::move(served));
  }
  return service;
}

bool PolicyService::HasWeights() const {
  return std::all_of(served_.begin(), served_.end(),
                     [](const auto& served) { return served->has_weights; });
}

absl::StatusOr<int> PolicyService::Poll() {
  const ActivityScope streams(Activity::kStreams);
  int answered = 0;
  for (auto& served : served_) {
    MILLRACE_RETURN_IF_ERROR(LoadWeights(*served));
    for (const auto& key : served->server->TakeGoneClients()) {
      served->states.ForgetClient(key.first, key.second);
      // The answer goes nowhere, but the transport keeps the request's memory until it is given
      // one.
      std::erase_if(served->waiting, [&](const PendingRequest& request) {
        const bool gone = std::pair(request.header.client, request.header.incarnation) == key;
        if (gone) served->server->Respond(request, {.id = request.header.id});
        return gone;
      });
    }
    served->server->Collect(served->waiting);
    MILLRACE_ASSIGN_OR_RETURN(const int count, AnswerDue(*served));
    answered += count;
  }
  return answered;
}

absl::Status PolicyService::Serve(Doorbell& bell,
                                  const std::function<void(uint32_t seen, Deadline)>& wait,
                                  const std::function<absl::StatusOr<bool>()>& go_on) {
  while (true) {
    const uint32_t seen = bell.Value();
    MILLRACE_ASSIGN_OR_RETURN(const int answered, Poll());
    MILLRACE_ASSIGN_OR_RETURN(const bool more, go_on());
    if (!more) return absl::OkStatus();
    if (answered > 0) continue;
    const ActivityScope idle(Activity::kIdle);
    wait(seen, std::min(After(kIdleWait), NextDeadline()));
  }
}

absl::Status PolicyService::LoadWeights(Served& served) {
  const WeightVersion available = served.weights->Available();
  if (served.has_weights ? !(available > served.loaded) : available == WeightVersion{}) {
    return absl::OkStatus();
  }
  const ActivityScope loading(Activity::kLoadWeights);
  const auto version = served.weights->Read(served.blob);
  if (version.status().code() == absl::StatusCode::kUnavailable) return absl::OkStatus();
  if (!version.ok()) return version.status();
  MILLRACE_RETURN_IF_ERROR(served.model->Load(served.blob));
  if (served.past != nullptr) MILLRACE_RETURN_IF_ERROR(served.past->Refresh(version->version));
  served.loaded = *version;
  served.has_weights = true;
  ledger_->SetMax(Counter::kPolicyVersion, version->version);
  return absl::OkStatus();
}

absl::StatusOr<int> PolicyService::AnswerDue(Served& served) {
  if (!served.has_weights) return 0;
  auto& waiting = served.waiting;
  // Answerable requests first, in the order of their arrival.
  const auto held = std::stable_partition(waiting.begin(), waiting.end(), [&](const auto& request) {
    return request.header.min_version <= served.loaded.version;
  });
  const size_t ready = static_cast<size_t>(held - waiting.begin());
  if (ready == 0) return 0;
  const size_t per_batch =
      std::max<size_t>(1, static_cast<size_t>(options_.max_batch / std::max(1, served.spec.rows)));
  if (ready < per_batch && !Expired(waiting.front().arrived + options_.max_delay)) return 0;

  size_t done = 0;
  while (done < ready) {
    const std::span<const PendingRequest> batch =
        std::span(waiting).subspan(done, std::min(per_batch, ready - done));
    MILLRACE_RETURN_IF_ERROR(
        served.batch->Answer(batch, served.loaded.version, served.states, served.headers));
    for (size_t i = 0; i < batch.size(); ++i) served.server->Respond(batch[i], served.headers[i]);
    served.server->Flush();
    ledger_->Add(Counter::kInferenceBatches, 1);
    done += batch.size();
  }
  ledger_->Add(Counter::kRequests, ready);
  ledger_->Add(Counter::kRequestRows, ready * static_cast<size_t>(served.spec.rows));
  waiting.erase(waiting.begin(), waiting.begin() + static_cast<int64_t>(ready));
  return static_cast<int>(ready);
}

Deadline PolicyService::NextDeadline() const {
  Deadline next = Deadline::max();
  for (const auto& served : served_) {
    for (const PendingRequest& request : served->waiting) {
      // Requests for a version that has not arrived are woken by the weights' doorbell.
      if (!served->has_weights || request.header.min_version > served->loaded.version) continue;
      next = std::min(next, request.arrived + options_.max_delay);
    }
  }
  return next;
}

}  // namespace millrace
