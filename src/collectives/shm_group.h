// Collective operations of processes of one host, over shared memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/byte_exchange.h"
#include "core/deadline.h"
#include "core/doorbell.h"
#include "core/mapped_file.h"

namespace millrace {

struct ShmGroupOptions {
  std::filesystem::path
      file;  // the group's own, on a memory file system; the first to come makes it
  int rank = 0;
  int size = 1;
  // Of every operation: a peer that is silent for so long is lost.
  std::chrono::milliseconds timeout{8000};
  // What may be on its way from one rank to another; the same at all of them.
  size_t ring_bytes = 256 << 10;
};

// One ring of bytes for every pair of ranks; who has nothing to do spins for a while where there
// are cores for all, then sleeps until a peer rings.
//
// Every rank makes the same calls in the same order. kUnavailable: a peer has died, left or is
// silent; the group is then finished, at all ranks at once. kInternal if ranks differ in what they
// call. Sums are in the order of ranks, the same bits at all of them. Bound to one thread.
class ShmGroup : public ByteExchange {
 public:
  // Waits until all are there. kUnavailable if that takes longer than the timeout.
  static absl::StatusOr<std::unique_ptr<ShmGroup>> Join(const ShmGroupOptions& options);
  ~ShmGroup() override;

  int rank() const override { return options_.rank; }
  int size() const override { return options_.size; }

  absl::Status AllToAll(std::span<const ConstBytes> to, std::span<const Bytes> from) override;
  // `all`: what the ranks have, one after another, as much of each.
  absl::Status AllGather(ConstBytes own, Bytes all);
  // In place. T: float, double, int64_t, int32_t, uint8_t.
  template <typename T>
  absl::Status AllReduceSum(std::span<T> numbers);
  absl::Status Broadcast(Bytes bytes, int root);
  absl::Status Barrier();

 private:
  struct Header;
  struct Member;
  struct Ring;
  struct Transfer;

  ShmGroup(const ShmGroupOptions& options, std::unique_ptr<MappedFile> file);

  Header& header() const;
  Member& member(int rank) const;
  Ring& ring(int from, int to) const;
  absl::Status AwaitAll();
  absl::Status Exchange(const char* operation, std::span<const ConstBytes> to,
                        std::span<const Bytes> from);
  // Moves what can be moved now; true if anything was.
  bool Push(int to, Transfer& sent);
  absl::StatusOr<bool> Pop(const char* operation, int from, Transfer& received);
  // Why the group is finished, if a rank that is `needed` is gone.
  absl::Status CheckPeers(const char* operation, const std::vector<bool>& needed) const;
  absl::Status Lost(const char* operation, const std::string& why) const;
  absl::Status Finish(absl::Status why);

  const ShmGroupOptions options_;
  const std::unique_ptr<MappedFile> file_;
  uint64_t operations_ = 0;
  AdaptiveSpin spin_;
  absl::Status finished_;  // not OK: of all further calls
  std::vector<std::byte> scratch_;
};

}  // namespace millrace
