#include "workers/trainer/trainer_checkpoint.h"

#include <spdlog/fmt/fmt.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint_reference.h"
#include "checkpoint/safetensors.h"
#include "core/run_paths.h"
#include "millrace/core/status.h"
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

absl::StatusOr<PolicyPart> ReadInitialPart(const std::string& from, const std::string& policy,
                                           const ParameterLayout& layout) {
  MILLRACE_ASSIGN_OR_RETURN(const auto reference, CheckpointReference::Parse(from));
  if (!reference.step) return absl::InvalidArgumentError("expected RUN@STEP, got " + from);
  MILLRACE_ASSIGN_OR_RETURN(const auto store,
                            CheckpointStore::Open(RunPaths(reference.run).checkpoints()));
  MILLRACE_ASSIGN_OR_RETURN(const Checkpoint checkpoint, store.Read(*reference.step));
  const json manifest = json::parse(checkpoint.manifest_json, nullptr, /*allow_exceptions=*/false);
  std::string source = policy;
  if (const auto policies = manifest.find("policies");
      policies != manifest.end() && policies->size() == 1) {
    source = policies->begin().key();
  }
  return DecodePart(checkpoint, source, layout);
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
  const auto file = checkpoint.files.find(kOptimizerFile);
  if (file == checkpoint.files.end()) {
    return absl::DataLossError(
        fmt::format("checkpoint {}: no {}", checkpoint.train_steps, kOptimizerFile));
  }
  MILLRACE_ASSIGN_OR_RETURN(const Safetensors optimizer, DecodeSafetensors(file->second));
  const std::string prefix = policy + ".";
  for (const NamedTensor& tensor : optimizer.tensors) {
    if (!tensor.name.starts_with(prefix)) continue;
    torch::Tensor copy = torch::empty(tensor.shape, ToTorch(tensor.dtype));
    std::memcpy(copy.data_ptr(), tensor.bytes.data(), tensor.bytes.size());
    part.optimizer[tensor.name.substr(prefix.size())] = copy;
  }
  return part;
}

}  // namespace millrace
