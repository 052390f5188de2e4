#include "workers/trainer/learner.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "backends/dlrm/dlrm_backend.h"
#include "backends/native/native_trainer.h"
#include "config/place.h"
#include "inference/sparsity.h"
#include "millrace/core/status.h"
#include "models/policy_check.h"
#include "models/table_policy.h"
#include "models/torch_device.h"
#include "workers/common/sample_fields.h"

namespace millrace {
namespace {

absl::StatusOr<Schema> SampleSchema(const TorchRegistry& registry, const ExperimentConfig& config,
                                    const PolicyAgents& agents, const Learner& learner) {
  if (config.reads_dataset()) {
    for (const std::string& name : learner.algorithm->ExtraFields()) {
      if (std::ranges::find(agents.labels, name, &Field::name) != agents.labels.end()) continue;
      return absl::InvalidArgumentError(fmt::format(
          "{}: expected a dataset with the label \"{}\", which algorithm \"{}\" learns, "
          "got \"{}\" without",
          config.Subject("dataset.type"), name, config.algorithm.type, config.dataset.type));
    }
    DatasetSpec spec{.observation = agents.observation, .labels = agents.labels};
    return Schema::Create(SampleFields(spec, Extent::kSteps));
  }
  std::vector<Field> fields = StandardSampleFields(agents, learner.backend->state_size());
  for (const std::string& name : learner.algorithm->ExtraFields()) {
    const SampleField* extra = registry.FindSampleField(name);
    if (extra == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("{}: algorithm \"{}\" asks for the sample field \"{}\", which no plug-in "
                      "registers (Registry::AddSampleField)",
                      config.Subject("algorithm.type"), config.algorithm.type, name));
    }
    fields.push_back(extra->field);
  }
  return Schema::Create(std::move(fields));
}

absl::Status CheckSupervised(const ExperimentConfig& config, const Algorithm& algorithm) {
  if (algorithm.supervised() == config.reads_dataset()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "{}: algorithm \"{}\" learns from {}, got {} \"{}\"", config.Subject("algorithm.type"),
      config.algorithm.type, algorithm.supervised() ? "a dataset" : "an environment",
      config.reads_dataset() ? "dataset" : "environment",
      config.reads_dataset() ? config.dataset.type : config.environment.type));
}

// Tables are backend dlrm's, in this host's memory.
absl::Status CheckTables(const ExperimentConfig& config, const TypedOptions& model, bool acts) {
  if (config.backend.type != "auto" && config.backend.type != kDlrmBackend) {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected {} with model \"{}\", whose tables it has, got \"{}\"",
                    config.Subject("backend.type"), kDlrmBackend, model.type, config.backend.type));
  }
  if (config.trainer.device != "auto" && config.trainer.device != "cpu") {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected auto or cpu with model \"{}\", got \"{}\"",
                    config.Subject("workers.trainer.device"), model.type, config.trainer.device));
  }
  if (!acts) return absl::OkStatus();
  const std::string& device = config.policy_worker.device;
  if (device != "auto" && device != "cpu") {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected auto or cpu with model \"{}\", got \"{}\"",
                    config.Subject("workers.policy.device"), model.type, device));
  }
  if (config.trainer.count > 1) {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected 1 with model \"{}\", which acts and has tables, got {}",
                    config.Subject("workers.trainer.count"), model.type, config.trainer.count));
  }
  return absl::OkStatus();
}

absl::Status CheckNormalizer(const ExperimentConfig& config, const PolicyAgents& agents,
                             const Learner& learner) {
  if (!learner.algorithm->ValueTargetKey().empty()) return absl::OkStatus();
  if (learner.backend->layout().Find("value_mean") == nullptr) return absl::OkStatus();
  const std::string key = "policies." + agents.policy + ".model";
  return absl::InvalidArgumentError(
      fmt::format("{}: normalize_value: expected false, got true: algorithm \"{}\" computes its "
                  "value targets inside the loss",
                  config.Subject(key), config.algorithm.type));
}

absl::StatusOr<int32_t> ChunkOf(const ExperimentConfig& config, const Learner& learner) {
  if (learner.backend->state_size() == 0) return 0;
  const int32_t unroll = config.trainer.unroll;
  const int32_t chunk = std::min(learner.algorithm->Plan(0).chunk, unroll);
  if (unroll % chunk == 0) return chunk;
  return absl::InvalidArgumentError(
      fmt::format("{}: expected a multiple of algorithm.chunk = {}, got {}",
                  config.Subject("workers.trainer.unroll"), chunk, unroll));
}

// N:M-sparse networks act in kernels of the CPU alone. Shares of a run need one that is limited.
absl::Status CheckSparseBackend(const ExperimentConfig& config) {
  if (config.backend.type != Sparsity::kBackend) return absl::OkStatus();
  const std::string& device = config.policy_worker.device;
  if (device != "auto" && device != "cpu") {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected auto or cpu with backend {}, whose policies act on packed "
                    "weights, got \"{}\"",
                    config.Subject("workers.policy.device"), Sparsity::kBackend, device));
  }
  for (const char* key : {"dense_until", "dense_from", "decay_fades"}) {
    const auto found = config.backend.options.values().find(key);
    if (found == config.backend.options.values().end() || config.stop.env_steps.has_value() ||
        found->second.items == std::vector<std::string>{"false"}) {
      continue;
    }
    return absl::InvalidArgumentError(
        fmt::format("{}: needs stop.env_steps, which is not set",
                    Subject(found->second.where, found->second.path)));
  }
  return absl::OkStatus();
}

// What a trainer has not sent yet is in no checkpoint, so that a resume would not end bit-equal.
absl::Status CheckExchange(const ExperimentConfig& config) {
  const auto found = config.backend.options.values().find("gradient_density");
  if (!config.deterministic || config.trainer.count == 1 ||
      found == config.backend.options.values().end()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(fmt::format(
      "{}: expected none with deterministic: true and several trainers, as what was not "
      "sent is in no checkpoint",
      Subject(found->second.where, found->second.path)));
}

// Every trainer computes as many slices of a minibatch, all of one size.
absl::Status CheckSlices(const ExperimentConfig& config, const Algorithm& algorithm) {
  const auto found = config.backend.options.values().find("slices");
  if (found == config.backend.options.values().end()) return absl::OkStatus();
  if (!config.reads_dataset()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected none with an environment: models that act are not computed in "
                    "slices",
                    Subject(found->second.where, found->second.path)));
  }
  const int64_t minibatch =
      algorithm.Plan(/*progress=*/0).MinibatchOf(config.trainer.batch_env_steps);
  int64_t slices = 0;
  const bool number =
      found->second.items.size() == 1 && absl::SimpleAtoi(found->second.items.front(), &slices);
  if (!number || slices <= 0) return absl::OkStatus();  // the backend says what it expects
  if (slices % config.trainer.count == 0 && minibatch % slices == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "{}: expected a multiple of the {} trainers (workers.trainer.count) that divides "
      "the minibatch of {} samples, got {}",
      Subject(found->second.where, found->second.path), config.trainer.count, minibatch, slices));
}

// Our own kernels, which run on the CPU, are the fastest way to train a model of the usual sizes.
std::string TrainerDevice(const ExperimentConfig& config, const TypedOptions& model,
                          bool has_tables, const Algorithm& algorithm) {
  const bool native = (config.backend.type == "auto" || config.backend.type == "native") &&
                      NativeTrainer::Trains(model.type) && algorithm.row_loss() != nullptr;
  const bool on_cpu = native || has_tables || config.backend.type == Sparsity::kBackend;
  return config.trainer.device == "auto" && on_cpu ? "cpu" : config.trainer.device;
}

}  // namespace

absl::StatusOr<Learner> MakeLearner(const TorchRegistry& registry, const ExperimentConfig& config,
                                    size_t policy, const PolicyAgents& agents) {
  MILLRACE_RETURN_IF_ERROR(CheckSparseBackend(config));
  MILLRACE_RETURN_IF_ERROR(CheckExchange(config));
  Learner learner;
  const TypedOptions& model = config.policies[policy].model;
  MILLRACE_ASSIGN_OR_RETURN(
      auto module, registry.MakeModel(model.type, model.options, agents.observation, agents.action,
                                      config.seed + policy, model.where));
  if (!ModelSpec::IsBuiltinType(model.type) && !config.reads_dataset()) {
    if (const auto fits = CheckPolicyOutputs(*module, agents.observation, agents.action);
        !fits.ok()) {
      return WithContext(fits, fmt::format("{}: model \"{}\"", model.where, model.type));
    }
  }
  MILLRACE_ASSIGN_OR_RETURN(learner.algorithm,
                            registry.MakeAlgorithm(config.algorithm.type, config.algorithm.options,
                                                   agents.action, config.algorithm.where));
  MILLRACE_RETURN_IF_ERROR(CheckSupervised(config, *learner.algorithm));
  const auto* const tables = dynamic_cast<const TablePolicy*>(module.get());
  const bool has_tables = tables != nullptr;
  if (has_tables) {
    MILLRACE_RETURN_IF_ERROR(CheckTables(config, model, tables->rows(0).defined()));
    MILLRACE_RETURN_IF_ERROR(CheckSlices(config, *learner.algorithm));
  }
  const auto device = FindDevice(TrainerDevice(config, model, has_tables, *learner.algorithm));
  if (!device.ok()) {
    return WithContext(device.status(), config.Subject("workers.trainer.device"));
  }
  module->to(*device);
  MILLRACE_ASSIGN_OR_RETURN(learner.backend,
                            registry.MakeBackend(config.backend.type, config.backend.options,
                                                 std::move(module), config.backend.where));
  MILLRACE_RETURN_IF_ERROR(CheckNormalizer(config, agents, learner));
  PolicyContract& contract = learner.contract;
  contract.unroll = config.trainer.unroll;
  MILLRACE_ASSIGN_OR_RETURN(contract.chunk, ChunkOf(config, learner));
  contract.state_size = learner.backend->state_size();
  contract.weight_bytes = learner.backend->published_bytes();
  contract.layout_hash = learner.backend->published_hash();
  MILLRACE_ASSIGN_OR_RETURN(contract.sample, SampleSchema(registry, config, agents, learner));
  return learner;
}

}  // namespace millrace
