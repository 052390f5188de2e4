// Recurrent state of every group that talks to this policy worker, between its requests.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace millrace {

// Bound to the policy worker's thread.
class RecurrentStates {
 public:
  using Key = std::tuple<uint32_t, uint32_t, uint32_t>;  // client, incarnation, group

  // The state of a group, or null if this worker has never answered it.
  std::vector<float>* Find(const Key& key) {
    const auto found = states_.find(key);
    return found == states_.end() ? nullptr : &found->second;
  }
  void Store(const Key& key, std::vector<float> state) { states_[key] = std::move(state); }
  void ForgetClient(uint32_t client, uint32_t incarnation) {
    std::erase_if(states_, [&](const auto& entry) {
      return std::get<0>(entry.first) == client && std::get<1>(entry.first) == incarnation;
    });
  }
  size_t size() const { return states_.size(); }

 private:
  std::map<Key, std::vector<float>> states_;
};

}  // namespace millrace
