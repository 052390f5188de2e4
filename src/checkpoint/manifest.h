// manifest.json of a checkpoint: what belongs to it, and proof that it is whole.
//
//   {"format": 1, "train_steps": 4096,
//    "files": {"model.safetensors": {"bytes": 71234, "crc32c": "8a9136aa"}, ...},
//    "state": {...},          the writer's part
//    "crc32c": "e3069283"}    of this object without this key, in compact form with sorted keys
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace millrace {

inline constexpr char kManifestName[] = "manifest.json";

struct FileSummary {
  uint64_t bytes = 0;
  std::string crc32c;  // 8 hexadecimal digits
  bool operator==(const FileSummary&) const = default;
};

FileSummary Summarize(const std::string& contents);

struct Manifest {
  uint64_t train_steps = 0;
  std::map<std::string, FileSummary> files;
  std::string state_json;  // an object
};

// kInvalidArgument if state_json is no JSON object or a file name is not allowed.
absl::StatusOr<std::string> EncodeManifest(const Manifest& manifest);
// kDataLoss with the reason.
absl::StatusOr<Manifest> DecodeManifest(const std::string& text);

}  // namespace millrace
