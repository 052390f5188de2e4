// Plain memory for one group's rows, where no stream's slab is at hand (evaluation, start-up
// checks).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "millrace/data/tensor_view.h"
#include "millrace/env/vector_environment.h"
#include "workers/common/agent_assignment.h"

namespace millrace {

// Value storage behind PolicyRows for every policy. Neither copied nor moved: the rows point into
// it.
class EnvironmentBuffers {
 public:
  EnvironmentBuffers(const AgentAssignment& assignment, int environments);
  EnvironmentBuffers(const EnvironmentBuffers&) = delete;
  EnvironmentBuffers& operator=(const EnvironmentBuffers&) = delete;

  struct Part {
    int rows = 0;
    std::vector<std::vector<std::byte>> storage;  // observation and final observation fields
    std::vector<std::vector<int64_t>> shapes;
    std::vector<TensorView> observation, final_observation;
    std::vector<int32_t> discrete;
    std::vector<float> continuous, reward;
    std::vector<uint8_t> terminated, truncated, first, present;
  };

  std::span<const PolicyRows> rows() const { return rows_; }
  std::vector<std::unique_ptr<Part>>& parts() { return parts_; }
  const std::vector<std::unique_ptr<Part>>& parts() const { return parts_; }

 private:
  std::vector<std::unique_ptr<Part>> parts_;
  std::vector<PolicyRows> rows_;
};

}  // namespace millrace
