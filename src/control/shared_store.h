// The un-owned keys trainers use for rendezvous.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "control.pb.h"

namespace millrace {

// Thread-compatible. The semantics are those of c10d::Store.
class SharedStore {
 public:
  void Set(const std::string& key, const std::string& value) { values_[key] = value; }
  std::optional<std::string> Get(const std::string& key) const;
  // Adds to a decimal number (0 if missing); the sum. kInvalidArgument if the value is none.
  absl::StatusOr<int64_t> Add(const std::string& key, int64_t amount);
  // Replaces the value if it equals `expected` (a missing key equals the empty text); the value
  // afterwards, or `expected` if the key is missing.
  std::string CompareSet(const std::string& key, const std::string& expected,
                         const std::string& desired);
  bool Delete(const std::string& key) { return values_.erase(key) > 0; }

  // True if this change of `owner` was carried out already: a repeated call.
  bool Repeats(const std::string& owner, const control::StoreRequest& request) const;
  // Carries the request out, or answers a repeated one as before.
  void Apply(const std::string& owner, const control::StoreRequest& request,
             control::StoreReply* reply);

 private:
  struct Last {
    uint64_t sequence = 0;
    control::StoreReply reply;
  };
  void Execute(const control::StoreRequest& request, control::StoreReply* reply);

  std::map<std::string, std::string> values_;
  std::map<std::string, Last> last_;  // by owner
};

}  // namespace millrace
