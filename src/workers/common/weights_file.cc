#include "workers/common/weights_file.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"
#include "millrace/data/schema.h"

namespace millrace {

void AppendWeights(const std::string& policy, const ParameterLayout& layout,
                   std::span<const std::byte> blob, std::vector<NamedTensor>& tensors) {
  for (const ParameterEntry& entry : layout.entries()) {
    const size_t bytes = static_cast<size_t>(NumElements(entry.shape)) * sizeof(float);
    tensors.push_back({.name = policy + "." + entry.name,
                       .dtype = DType::kFloat32,
                       .shape = entry.shape,
                       .bytes = blob.subspan(entry.offset * sizeof(float), bytes)});
  }
}

absl::StatusOr<std::string> SourcePolicy(const PolicyConfig& policy,
                                         const std::string& manifest_json) {
  const auto manifest = nlohmann::json::parse(manifest_json, nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> names;
  if (const auto policies = manifest.find("policies"); policies != manifest.end()) {
    for (const auto& [name, record] : policies->items()) names.push_back(name);
  }
  const std::string& asked = policy.init_policy.empty() ? policy.name : policy.init_policy;
  if (std::ranges::count(names, asked) > 0) return asked;
  if (policy.init_policy.empty() && names.size() == 1) return names.front();
  return absl::NotFoundError(
      fmt::format("expected init_policy to be one of that run's ({}), got \"{}\"{}",
                  fmt::join(names, ", "), asked, DidYouMean(asked, names)));
}

absl::Status TakeWeights(const Checkpoint& checkpoint, const std::string& policy,
                         const ParameterLayout& layout,
                         const std::function<bool(const std::string& name)>& wanted,
                         std::span<std::byte> blob) {
  const auto file = checkpoint.files.find(kModelFile);
  if (file == checkpoint.files.end()) {
    return absl::DataLossError(
        fmt::format("checkpoint {}: no {}", checkpoint.train_steps, kModelFile));
  }
  MILLRACE_ASSIGN_OR_RETURN(const Safetensors model, DecodeSafetensors(file->second));
  for (const ParameterEntry& entry : layout.entries()) {
    if (!wanted(entry.name)) continue;
    const std::string name = policy + "." + entry.name;
    const NamedTensor* tensor = model.Find(name);
    if (tensor == nullptr) {
      return absl::DataLossError(fmt::format("checkpoint {}: {} has no tensor \"{}\"",
                                             checkpoint.train_steps, kModelFile, name));
    }
    if (tensor->dtype != DType::kFloat32 || tensor->shape != entry.shape) {
      return absl::InvalidArgumentError(fmt::format(
          "checkpoint {}: tensor \"{}\": expected float32 [{}], got {} [{}]; was the model "
          "changed since?",
          checkpoint.train_steps, name, fmt::join(entry.shape, ", "), Name(tensor->dtype),
          fmt::join(tensor->shape, ", ")));
    }
    std::memcpy(blob.data() + entry.offset * sizeof(float), tensor->bytes.data(),
                tensor->bytes.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::byte>> ReadWeights(const Checkpoint& checkpoint,
                                                   const std::string& policy,
                                                   const ParameterLayout& layout) {
  std::vector<std::byte> blob(layout.bytes());
  const auto all = [](const std::string&) { return true; };
  MILLRACE_RETURN_IF_ERROR(TakeWeights(checkpoint, policy, layout, all, blob));
  return blob;
}

}  // namespace millrace
