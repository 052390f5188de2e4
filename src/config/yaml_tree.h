// YAML as a plain tree that remembers where each value was written. Only the harmless part of YAML:
// no anchors, aliases or tags, no repeated keys, one document, bounded size and depth.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

inline constexpr size_t kMaxYamlBytes = size_t{1} << 20;
inline constexpr size_t kMaxYamlDepth = 32;

// Value type.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string key = {};              // in a map
  std::string text = {};             // scalar, undecoded
  bool quoted = false;               // scalar: a string even if it looks like a number
  std::vector<YamlNode> items = {};  // of a list or a map, in file order
  std::string where = {};            // "file.yaml:7" or "--set key"

  // Of a map; null if it has no such key.
  const YamlNode* Find(std::string_view wanted) const;
  YamlNode* Find(std::string_view wanted);
};

// What a value is, for messages: `"text"`, `a list`, `a map` or `nothing`.
std::string Describe(const YamlNode& node);

// kInvalidArgument: "FILE:LINE: expected ..., got ...".
absl::StatusOr<YamlNode> ParseYamlFile(const std::string& text, const std::string& file_name);
// As above; every node's place is `where`.
absl::StatusOr<YamlNode> ParseYamlValue(const std::string& text, const std::string& where);

// Puts `value` (YAML) at the dotted `key`, making maps on the way; a map replaces a map.
// kInvalidArgument: "--set KEY: ...".
absl::Status ApplyOverride(YamlNode& root, const std::string& key, const std::string& value);

}  // namespace millrace
