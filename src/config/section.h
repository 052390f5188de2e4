// Reads one map of the experiment file key by key, with types and ranges, and knows afterwards
// which keys nobody asked for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "config/yaml_tree.h"

namespace millrace {

// The first problem of a file, and where each key was written. Thread-compatible.
class Problems {
 public:
  explicit Problems(std::string file_name) : file_name_(std::move(file_name)) {}

  // Remembers "PLACE: KEY: expected EXPECTED, got GOT" and `hint` unless there is a problem
  // already. A key that was not written has the file's name for a place.
  void Add(const std::string& key, const std::string& expected, const std::string& got,
           const std::string& hint = "");
  void RecordPlace(const std::string& key, const std::string& where) { places_[key] = where; }
  std::string PlaceOf(const std::string& key) const;
  const std::map<std::string, std::string>& places() const { return places_; }
  const absl::Status& status() const { return status_; }

 private:
  const std::string file_name_;
  std::map<std::string, std::string> places_;
  absl::Status status_;
};

// Each reader leaves `out` alone if the key is absent and adds a problem if the value does not fit.
// Refers to the node and the problems, which must outlive it. Thread-compatible.
class Section {
 public:
  // `node` may be null (absent): then every key is. `path` is the dotted key, empty for the root.
  Section(const YamlNode* node, std::string path, Problems& problems);

  void Int(const std::string& key, int& out, int64_t low, int64_t high);
  // Also `word`, which stands for 0.
  void IntOr(const std::string& word, const std::string& key, int& out, int64_t low, int64_t high);
  void Int64(const std::string& key, int64_t& out, int64_t low, int64_t high);
  void UInt64(const std::string& key, uint64_t& out);  // 0 to 2^63 - 1
  void Double(const std::string& key, double& out, double low, double high);
  void Bool(const std::string& key, bool& out);
  void String(const std::string& key, std::string& out);
  // The index of the value among `choices`.
  std::optional<size_t> Choice(const std::string& key, const std::vector<std::string>& choices);
  void Choice(const std::string& key, std::string& out, const std::vector<std::string>& choices);
  // Null if absent; the key counts as known.
  const YamlNode* Node(const std::string& key);
  Section Child(const std::string& key);

  // The keys that are written.
  std::vector<std::string> Keys() const;
  // Adds a problem for the first key that nobody asked for.
  void Finish();
  std::string PathOf(const std::string& key) const;
  Problems& problems() { return problems_; }

 private:
  const YamlNode* Scalar(const std::string& key, const std::string& expected);
  std::optional<int64_t> Integer(const std::string& key, int64_t low, int64_t high,
                                 const std::string& word = {});

  const YamlNode* node_;
  const std::string path_;
  Problems& problems_;
  std::vector<std::string> known_;
};

}  // namespace millrace
