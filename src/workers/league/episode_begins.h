// In which environments of a group an episode begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

// An episode begins where every agent that takes part, of whatever policy, is at its first
// observation; an agent that comes back in the middle of one is not. Reused from step to step.
class EpisodeBegins {
 public:
  explicit EpisodeBegins(size_t environments) : begins_(environments) {}

  void Clear() { begins_.assign(begins_.size(), kNobody); }
  // The rows of one policy, as in PolicyRows.
  void Add(std::span<const uint8_t> first, std::span<const uint8_t> present) {
    const size_t agents = first.size() / begins_.size();
    for (size_t row = 0; row < first.size(); ++row) {
      State& state = begins_[row / agents];
      if (present[row] == 0 || state == kGoesOn) continue;
      state = first[row] != 0 ? kBegins : kGoesOn;
    }
  }
  bool operator[](size_t environment) const { return begins_[environment] == kBegins; }
  size_t size() const { return begins_.size(); }

 private:
  enum State : uint8_t { kNobody, kBegins, kGoesOn };
  std::vector<State> begins_;
};

}  // namespace millrace
