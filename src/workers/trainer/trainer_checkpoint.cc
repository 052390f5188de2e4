#include "workers/trainer/trainer_checkpoint.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "checkpoint/checkpoint_reference.h"
#include "checkpoint/safetensors.h"
#include "core/run_paths.h"
#include "millrace/core/status.h"
#include "models/table_policy.h"
#include "models/torch_dtype.h"
#include "workers/common/weights_file.h"

namespace millrace {
namespace {

using nlohmann::json;

constexpr char kOptimizerFile[] = "optimizer.safetensors";

json ToJson(const PolicyPart& part) {
  json marks = json::array();
  for (const LaneMark& mark : part.marks) {
    marks.push_back({{"producer", mark.producer},
                     {"incarnation", mark.incarnation},
                     {"consumed", mark.contiguous},
                     {"beyond", mark.beyond}});
  }
  return {{"batch", part.batch},
          {"train_steps", part.train_steps},
          {"policy_version", part.version},
          {"trained", {{"segments", part.trained.segments}, {"env_steps", part.trained.env_steps}}},
          {"consumed_marks", marks}};
}

// Of a policy's tensors, by name without the policy's.
absl::StatusOr<std::map<std::string, torch::Tensor>> ReadOptimizer(const Checkpoint& checkpoint,
                                                                   const std::string& policy) {
  const auto file = checkpoint.files.find(kOptimizerFile);
  if (file == checkpoint.files.end()) {
    return absl::DataLossError(
        fmt::format("checkpoint {}: no {}", checkpoint.train_steps, kOptimizerFile));
  }
  MILLRACE_ASSIGN_OR_RETURN(const Safetensors optimizer, DecodeSafetensors(file->second));
  const std::string prefix = policy + ".";
  std::map<std::string, torch::Tensor> tensors;
  for (const NamedTensor& tensor : optimizer.tensors) {
    if (!tensor.name.starts_with(prefix)) continue;
    torch::Tensor copy = torch::empty(tensor.shape, ToTorch(tensor.dtype));
    std::memcpy(copy.data_ptr(), tensor.bytes.data(), tensor.bytes.size());
    tensors[tensor.name.substr(prefix.size())] = copy;
  }
  return tensors;
}

// Which of a policy's tensors are taken over; kInvalidArgument if an expression of init_except
// names none.
absl::StatusOr<std::set<std::string>> WantedTensors(const PolicyConfig& policy,
                                                    const std::set<std::string>& names) {
  std::set<std::string> wanted = names;
  for (const std::string& pattern : policy.init_except) {
    const std::regex expression(pattern);
    const auto excepted = [&](const std::string& name) {
      return std::regex_match(name, expression);
    };
    if (std::ranges::none_of(names, excepted)) {
      return absl::InvalidArgumentError(
          fmt::format("expected init_except to match a whole name among {}, got \"{}\"",
                      fmt::join(names, ", "), pattern));
    }
    std::erase_if(wanted, excepted);
  }
  return wanted;
}

// Weights that a backend keeps with its optimiser's state.
bool IsTable(const std::string& state) {
  return state.starts_with("table.") && state.ends_with(".rows");
}

// What an entry of an optimiser's state is taken with: weights that it is, also by another name if
// the model acts, or a running mean whose normaliser's it is; empty: it is not taken.
std::string TakenWith(const std::string& state, const ParameterLayout& layout) {
  if (IsTable(state)) {
    const size_t begin = std::strlen("table."), end = state.size() - std::strlen(".rows");
    const std::string weight = TablePolicy::WeightName(state.substr(begin, end - begin));
    return layout.Find(weight) == nullptr ? state : weight;
  }
  if (state.starts_with("normalizer.observation")) return "observation_mean";
  return state == "normalizer.value" ? "value_mean" : "";
}

}  // namespace

absl::StatusOr<Checkpoint> EncodeCheckpoint(const std::vector<PolicyPart>& parts,
                                            const std::map<std::string, ParameterLayout>& layouts,
                                            uint64_t seed) {
  Checkpoint checkpoint;
  std::vector<NamedTensor> weights, optimizer;
  std::vector<torch::Tensor> keep;  // contiguous copies that the views point into
  json policies = json::object();
  ActorSnapshots snapshots;
  for (const PolicyPart& part : parts) {
    checkpoint.train_steps += part.train_steps;
    AppendWeights(part.policy, layouts.at(part.policy), part.weights, weights);
    for (const auto& [name, tensor] : part.optimizer) {
      keep.push_back(tensor.detach().to(torch::kCPU).contiguous());
      const torch::Tensor& copy = keep.back();
      optimizer.push_back(
          {.name = part.policy + "." + name,
           .dtype = FromTorch(copy.scalar_type()),
           .shape = copy.sizes().vec(),
           .bytes = {static_cast<const std::byte*>(copy.data_ptr()), copy.nbytes()}});
    }
    policies[part.policy] = ToJson(part);
    snapshots.insert(part.snapshots.begin(), part.snapshots.end());
  }
  MILLRACE_ASSIGN_OR_RETURN(checkpoint.files[kModelFile], EncodeSafetensors(weights));
  MILLRACE_ASSIGN_OR_RETURN(checkpoint.files[kOptimizerFile], EncodeSafetensors(optimizer));
  if (!snapshots.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(checkpoint.files[kActorSnapshotsFile],
                              EncodeActorSnapshots(snapshots));
  }
  checkpoint.manifest_json =
      json{{"train_steps", checkpoint.train_steps}, {"seed", seed}, {"policies", policies}}.dump();
  return checkpoint;
}

absl::Status TakeInitialPart(const PolicyConfig& policy, Backend& backend) {
  MILLRACE_ASSIGN_OR_RETURN(const auto reference, CheckpointReference::Parse(policy.init_from));
  if (!reference.step) {
    return absl::InvalidArgumentError("expected RUN@STEP, got " + policy.init_from);
  }
  MILLRACE_ASSIGN_OR_RETURN(const auto store,
                            CheckpointStore::Open(RunPaths(reference.run).checkpoints()));
  MILLRACE_ASSIGN_OR_RETURN(const Checkpoint checkpoint, store.Read(*reference.step));
  MILLRACE_ASSIGN_OR_RETURN(const std::string source,
                            SourcePolicy(policy, checkpoint.manifest_json));
  MILLRACE_ASSIGN_OR_RETURN(const auto theirs, ReadOptimizer(checkpoint, source));
  std::set<std::string> all;
  for (const ParameterEntry& entry : backend.layout().entries()) all.insert(entry.name);
  for (const auto& [name, tensor] : theirs) {
    if (IsTable(name)) all.insert(TakenWith(name, backend.layout()));
  }
  MILLRACE_ASSIGN_OR_RETURN(const std::set<std::string> names, WantedTensors(policy, all));
  const auto wanted = [&](const std::string& name) { return names.contains(name); };
  std::vector<std::byte> weights(backend.layout().bytes());
  backend.Snapshot(weights);
  MILLRACE_RETURN_IF_ERROR(TakeWeights(checkpoint, source, backend.layout(), wanted, weights));
  MILLRACE_RETURN_IF_ERROR(backend.LoadWeights(weights));
  // But for means and tables, all that the backend keeps is what it made of these weights.
  auto optimizer = backend.OptimizerState();
  for (const auto& [name, tensor] : theirs) {
    const bool known = IsTable(name) || optimizer.contains(name);
    if (known && wanted(TakenWith(name, backend.layout()))) optimizer[name] = tensor;
  }
  return backend.LoadOptimizerState(optimizer);
}

absl::StatusOr<PolicyPart> DecodePart(const Checkpoint& checkpoint, const std::string& policy,
                                      const ParameterLayout& layout) {
  PolicyPart part;
  part.policy = policy;
  try {
    const json manifest = json::parse(checkpoint.manifest_json);
    if (!manifest.at("policies").contains(policy)) {
      return absl::NotFoundError(
          fmt::format("checkpoint {}: no policy \"{}\"", checkpoint.train_steps, policy));
    }
    const json& record = manifest.at("policies").at(policy);
    part.batch = record.at("batch").get<uint64_t>();
    part.train_steps = record.at("train_steps").get<uint64_t>();
    part.version = record.at("policy_version").get<uint64_t>();
    part.trained.segments = record.at("trained").at("segments").get<uint64_t>();
    part.trained.env_steps = record.at("trained").at("env_steps").get<uint64_t>();
  } catch (const json::exception& error) {
    return absl::DataLossError(
        fmt::format("checkpoint {}: manifest: {}", checkpoint.train_steps, error.what()));
  }
  MILLRACE_ASSIGN_OR_RETURN(part.weights, ReadWeights(checkpoint, policy, layout));
  MILLRACE_ASSIGN_OR_RETURN(part.optimizer, ReadOptimizer(checkpoint, policy));
  return part;
}

}  // namespace millrace
