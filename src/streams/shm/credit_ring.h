// The credits on their way to one producer.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "data/segment.h"

namespace millrace {

// Lock-free queue for one pushing and one popping thread, in zero-filled memory that may be shared
// between processes. Either side may die at any instruction: an entry counts once `pushed_` says
// so, and its successor goes on from there.
class CreditRing {
 public:
  static constexpr size_t kCapacity = 1024;

  // False if the ring is full.
  bool Push(const Credit& credit) {
    const uint64_t pushed = pushed_.load();
    if (pushed - popped_.load() >= kCapacity) return false;
    credits_[pushed % kCapacity] = credit;
    pushed_.store(pushed + 1);
    return true;
  }

  std::optional<Credit> Pop() {
    const uint64_t popped = popped_.load();
    if (popped == pushed_.load()) return std::nullopt;
    const Credit credit = credits_[popped % kCapacity];
    popped_.store(popped + 1);
    return credit;
  }

  // The credit pushed last, without taking it; for the popping thread. An entry that has not been
  // popped is never overwritten.
  std::optional<Credit> Newest() const {
    const uint64_t pushed = pushed_.load();
    if (popped_.load() == pushed) return std::nullopt;
    return credits_[(pushed - 1) % kCapacity];
  }

  uint64_t pushed() const { return pushed_.load(); }

 private:
  alignas(64) std::atomic<uint64_t> pushed_{0};
  alignas(64) std::atomic<uint64_t> popped_{0};
  alignas(64) std::array<Credit, kCapacity> credits_;
};

}  // namespace millrace
