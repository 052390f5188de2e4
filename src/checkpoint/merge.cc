#include "checkpoint/merge.h"

#include <spdlog/fmt/fmt.h>

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/safetensors.h"
#include "millrace/core/status.h"

namespace millrace {

absl::StatusOr<Checkpoint> MergeCheckpoints(const std::vector<Checkpoint>& parts) {
  Checkpoint merged;
  nlohmann::json manifest = nlohmann::json::object();
  std::map<std::string, std::vector<NamedTensor>> tensors;
  std::vector<Safetensors> decoded;  // owns what `tensors` points into
  for (const Checkpoint& part : parts) {
    merged.train_steps += part.train_steps;
    const auto record =
        nlohmann::json::parse(part.manifest_json, nullptr, /*allow_exceptions=*/false);
    if (!record.is_object()) return absl::DataLossError("a part of the checkpoint has no manifest");
    // Objects below `policies` are united, everything else is the same in all parts.
    manifest.merge_patch(record);
    for (const auto& [name, contents] : part.files) {
      MILLRACE_ASSIGN_OR_RETURN(Safetensors file, DecodeSafetensors(contents));
      decoded.push_back(std::move(file));
      const auto& found = decoded.back().tensors;
      tensors[name].insert(tensors[name].end(), found.begin(), found.end());
    }
  }
  manifest["train_steps"] = merged.train_steps;
  merged.manifest_json = manifest.dump();
  for (const auto& [name, list] : tensors) {
    MILLRACE_ASSIGN_OR_RETURN(merged.files[name], EncodeSafetensors(list));
  }
  return merged;
}

}  // namespace millrace
