// The options a user gives an environment, algorithm, model or backend in YAML, read with defaults.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

// A flat map from key to YAML scalar, list of scalars or list of such lists. Read every option you
// know with Get*(), then call Finish(): it reports a key nobody asked for, with the nearest known
// one.
//
//   auto limit = options.GetInt("max_episode_steps", 500);
//   MILLRACE_RETURN_IF_ERROR(options.Finish("cartpole"));
//
// A value of the wrong type or range is remembered, and the first one is reported by Finish();
// until then its getter returns the fallback, so call sites stay short. Value type. One thread at a
// time, const calls too: the getters record what was asked.
class Options {
 public:
  struct Value {
    // One for a scalar; of a list of lists those of all inner lists, one after another.
    std::vector<std::string> items = {};
    bool is_list = false;
    bool quoted = false;               // in quotes: a string, also if it looks like a number
    std::string where = {};            // "file.yaml:7", for messages
    std::string path = {};             // "algorithm.clip", for messages; the key alone if empty
    std::vector<size_t> lengths = {};  // of the inner lists of a list of lists, else none
  };

  Options() = default;
  explicit Options(std::map<std::string, Value> values) : values_(std::move(values)) {}

  int64_t GetInt(std::string_view key, int64_t fallback) const;
  double GetDouble(std::string_view key, double fallback) const;
  bool GetBool(std::string_view key, bool fallback) const;
  std::string GetString(std::string_view key, std::string fallback) const;
  std::vector<double> GetDoubles(std::string_view key, std::vector<double> fallback) const;
  std::vector<std::string> GetStrings(std::string_view key,
                                      std::vector<std::string> fallback) const;
  // A list of lists: [[1, 2], [3]].
  std::vector<std::vector<double>> GetDoubleLists(std::string_view key,
                                                  std::vector<std::vector<double>> fallback) const;
  // Like GetInt and GetDouble, with a range: outside it is an error reported by Finish().
  int64_t GetInt(std::string_view key, int64_t fallback, int64_t low, int64_t high) const;
  double GetDouble(std::string_view key, double fallback, double low, double high) const;

  // One of `choices`; another value is an error that names the nearest.
  std::string GetChoice(std::string_view key, std::string fallback,
                        const std::vector<std::string>& choices) const;

  bool Has(std::string_view key) const { return values_.contains(std::string(key)); }
  const std::map<std::string, Value>& values() const { return values_; }
  void Set(std::string key, Value value) { values_[std::move(key)] = std::move(value); }

  // kInvalidArgument naming file, line, key and the nearest known key. `owner` says whose options
  // these are.
  absl::Status Finish(std::string_view owner) const;

 private:
  const Value* Find(std::string_view key) const;
  const std::string* Scalar(std::string_view key) const;
  void Complain(const Value& value, std::string_view key, std::string_view expected,
                std::string_view hint = "") const;

  std::map<std::string, Value> values_;
  mutable std::set<std::string> known_;
  mutable std::vector<std::string> complaints_;
};

}  // namespace millrace
