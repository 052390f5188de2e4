// Bytes over the collectives of a trainer group.
#pragma once

#include <vector>

#include "collectives/byte_exchange.h"
#include "millrace/backends/backend.h"

namespace millrace {

// `group` outlives it. Bound to one thread.
class TensorExchange : public ByteExchange {
 public:
  explicit TensorExchange(Collectives& group) : group_(group) {}

  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }
  absl::Status AllToAll(std::span<const ConstBytes> to, std::span<const Bytes> from) override {
    std::vector<torch::Tensor> sent, received;
    for (const ConstBytes bytes : to) sent.push_back(TensorOf(bytes.data(), bytes.size()));
    for (const Bytes bytes : from) received.push_back(TensorOf(bytes.data(), bytes.size()));
    return group_.AllToAll(sent, received);
  }

 private:
  static torch::Tensor TensorOf(const std::byte* data, size_t bytes) {
    return torch::from_blob(const_cast<std::byte*>(data), {static_cast<int64_t>(bytes)},
                            torch::kUInt8);
  }

  Collectives& group_;
};

}  // namespace millrace
