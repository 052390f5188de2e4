// Where the memory that both ends of a stream see comes from, and how an end wakes its peers.
// Shared memory (files) and the in-process transport differ in nothing else.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace millrace {

// A zero-filled piece of memory, 64-byte aligned, and what keeps it alive. Value type.
struct SlabMemory {
  std::shared_ptr<void> owner;
  std::span<std::byte> bytes;

  // The object at `offset`; the caller has checked that it lies inside.
  template <typename T>
  T* At(size_t offset) const {
    return reinterpret_cast<T*>(bytes.data() + offset);
  }
};

// Memory of this process alone.
SlabMemory AllocateHeapSlab(size_t bytes);

inline constexpr size_t kSlabAlignment = 64;
constexpr size_t AlignSlab(size_t bytes) {
  return (bytes + kSlabAlignment - 1) / kSlabAlignment * kSlabAlignment;
}

// The doorbell of another worker. Ringing one whose owner is gone does nothing.
class PeerBell {
 public:
  virtual ~PeerBell() = default;
  virtual void Ring() = 0;
};

// Belongs to one stream end and is bound to its thread.
class SlabStore {
 public:
  virtual ~SlabStore() = default;
  // A new slab. kAlreadyExists if the name is taken.
  virtual absl::StatusOr<SlabMemory> Create(const std::string& name, size_t bytes) = 0;
  // What a peer needs to open the slab of that name.
  virtual std::string Address(const std::string& name) const = 0;
  // A peer's slab. kNotFound if it is gone; kDataLoss if it is smaller than `minimum_bytes`.
  virtual absl::StatusOr<SlabMemory> Open(const std::string& address, size_t minimum_bytes) = 0;
  // Takes the name away; memory in use stays. Nothing happens if there is no such slab.
  virtual void Remove(const std::string& address) = 0;

  // What a peer needs to ring the owner of this end.
  virtual std::string bell_address() const = 0;
  virtual absl::StatusOr<std::unique_ptr<PeerBell>> OpenBell(const std::string& address) = 0;
};

}  // namespace millrace
