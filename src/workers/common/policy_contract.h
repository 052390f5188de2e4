// What the workers of one policy must agree on beyond the experiment file. Only the trainer knows
// the algorithm and a user's own model, so rank 0 publishes this record and actors and policy
// workers wait for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/deadline.h"
#include "millrace/data/schema.h"
#include "net/name_service.h"

namespace millrace {

struct PolicyContract {
  Schema sample;           // fields of every segment
  int32_t unroll = 0;      // T
  int32_t chunk = 0;       // steps per chunk of a recurrent policy; 0 for feed-forward ones
  int64_t state_size = 0;  // floats of recurrent state per row
  uint64_t weight_bytes = 0;
  uint64_t layout_hash = 0;
  bool operator==(const PolicyContract&) const = default;

  Extents extents(int rows) const {
    return {.steps = unroll, .rows = rows, .chunks = chunk > 0 ? unroll / chunk : 0};
  }
  std::string ToJson() const;
  static absl::StatusOr<PolicyContract> FromJson(const std::string& json);
};

std::string ContractKey(const std::string& policy);  // "policy/NAME/contract"

}  // namespace millrace
