// Recurrent state of every group that talks to this policy worker, between its requests.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace millrace {

// Bound to the policy worker's thread.
class RecurrentStates {
 public:
  using Key = std::tuple<uint32_t, uint32_t, uint32_t>;  // client, incarnation, group

  // The state for a group's request `id`, or null if this worker did not answer the one before it:
  // another server did, and the state went on there.
  const std::vector<float>* Find(const Key& key, uint64_t id) const {
    const auto found = states_.find(key);
    return found == states_.end() || found->second.id + 1 != id ? nullptr : &found->second.state;
  }
  // The state after request `id`.
  void Store(const Key& key, uint64_t id, std::span<const float> state) {
    Entry& entry = states_[key];
    entry.id = id;
    entry.state.assign(state.begin(), state.end());
  }
  // Request `id` has been answered without advancing the state.
  void Keep(const Key& key, uint64_t id) {
    if (Find(key, id) != nullptr) states_[key].id = id;
  }
  void ForgetClient(uint32_t client, uint32_t incarnation) {
    std::erase_if(states_, [&](const auto& entry) {
      return std::get<0>(entry.first) == client && std::get<1>(entry.first) == incarnation;
    });
  }
  size_t size() const { return states_.size(); }

 private:
  struct Entry {
    uint64_t id = 0;  // of the newest request answered
    std::vector<float> state;
  };
  std::map<Key, Entry> states_;
};

}  // namespace millrace
