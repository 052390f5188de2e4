// A trainer group over c10d's Gloo process group (CPU tensors over TCP).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/backends/backend.h"
#include "torch/csrc/distributed/c10d/Store.hpp"

namespace millrace {

// Joins the group of `size` ranks that meet in `store`; each new group needs a fresh key prefix
// (c10d::PrefixStore). Blocks until all ranks are there. kUnavailable if that takes longer than the
// timeout or a connection fails. `hostname`: a name or address of this host that the peers reach.
//
// The timeout is that of every operation, too. Keep it short and do long waits elsewhere: a peer
// that hangs, rather than dies, is noticed only by it, and destroying a group that has an operation
// pending on such a peer can block as long.
//
// Every operation fails with kUnavailable once a peer is lost; the connections are then closed at
// once, which lets the other survivors fail at once too. The result is bound to one thread. Small
// tensors are summed in rank order, the same on every rank.
absl::StatusOr<std::unique_ptr<Collectives>> MakeGlooCollectives(
    const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
    std::chrono::milliseconds timeout, const std::string& hostname = "127.0.0.1");

}  // namespace millrace
