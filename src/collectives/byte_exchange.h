// How the processes of a group exchange bytes.
#pragma once

#include <cstddef>
#include <span>

#include "absl/status/status.h"

namespace millrace {

// All ranks make the same calls in the same order.
class ByteExchange {
 public:
  using Bytes = std::span<std::byte>;
  using ConstBytes = std::span<const std::byte>;

  virtual ~ByteExchange() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Sends to[r] to rank r, and receives from[r] of it, which is as long as what it sends.
  // kUnavailable: a peer is lost, and the group with it.
  virtual absl::Status AllToAll(std::span<const ConstBytes> to, std::span<const Bytes> from) = 0;
};

}  // namespace millrace
