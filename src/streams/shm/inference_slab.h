// The memory of one client of an inference stream: per group a request and its reply.
//
//   InferenceSlabHeader | GroupControl 0 | GroupControl 1 | ... | group 0 | group 1 | ...
//   group: RequestHeader | ReplyHeader | request payload | reply payload, each 64-byte aligned
//
// The ticket of a group says who may touch what (all atomics are sequentially consistent):
//
//   from      to        by      when                                     whose the reply area is
//   any       posted    client  Post(): next id, attempt 0               nobody's
//   posted    posted    client  server gone or late: attempt + 1         nobody's
//   posted    writing   server  it is addressed and has its answer       that server's
//   writing   answered  server  the reply is complete                    the client's
//   writing   posted    client  still writing at the deadline: the server is dead; attempt + 1
//
// Servers exchange the ticket they saw, so only one of several that work on the same request can
// answer it, and a late one answers nothing.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/statusor.h"
#include "streams/inference_stream.h"
#include "streams/shm/slab_store.h"

namespace millrace {

struct InferenceSlabHeader {
  uint64_t magic = 0;
  uint64_t request_hash = 0;
  uint64_t reply_hash = 0;
  int32_t rows = 0;
  uint32_t groups = 0;
  uint32_t client = 0;
  uint32_t incarnation = 0;
  bool operator==(const InferenceSlabHeader&) const = default;
};

struct GroupControl {
  std::atomic<uint64_t> ticket;
  std::atomic<uint64_t> address;  // ServerAddress of the server the request is for
};

struct Ticket {
  enum Phase : uint64_t { kNone = 0, kPosted = 1, kWriting = 2, kAnswered = 3 };
  Phase phase = kNone;
  uint32_t attempt = 0;  // 22 bits
  uint64_t id = 0;       // 40 bits

  static Ticket Unpack(uint64_t word) {
    return {static_cast<Phase>(word & 3), static_cast<uint32_t>((word >> 2) & kAttemptMask),
            word >> 24};
  }
  uint64_t Pack() const { return (id << 24) | (uint64_t{attempt & kAttemptMask} << 2) | phase; }
  static constexpr uint32_t kAttemptMask = (1 << 22) - 1;
};

inline constexpr uint64_t kNoServer = ~uint64_t{0};
constexpr uint64_t ServerAddress(uint32_t index, uint32_t incarnation) {
  return (uint64_t{index} << 32) | incarnation;
}

// A view of a slab. The geometry is kept here and never read again from the shared bytes.
class InferenceSlab {
 public:
  static constexpr uint32_t kMaxGroups = 4096;

  // kInvalidArgument unless there are 1 to kMaxGroups groups; otherwise as SlabStore::Create.
  static absl::StatusOr<InferenceSlab> Create(SlabStore& store, const std::string& name,
                                              const InferenceSpec& spec, uint32_t groups,
                                              uint32_t client, uint32_t incarnation);
  // kInvalidArgument if requests or replies are not those of `spec`; kDataLoss if it is no slab of
  // this client at all.
  static absl::StatusOr<InferenceSlab> Open(SlabStore& store, const std::string& address,
                                            const InferenceSpec& spec, uint32_t client,
                                            uint32_t incarnation);

  int groups() const { return static_cast<int>(header_.groups); }
  const Layout& request_layout() const { return request_layout_; }
  const Layout& reply_layout() const { return reply_layout_; }
  GroupControl& control(int group) const;
  RequestHeader* request(int group) const;
  ReplyHeader* reply(int group) const;
  std::byte* request_payload(int group) const;
  std::byte* reply_payload(int group) const;

 private:
  InferenceSlab(const InferenceSpec& spec, const InferenceSlabHeader& header);
  size_t TotalBytes() const;
  std::byte* GroupAt(int group, size_t offset) const;

  SlabMemory memory_;
  InferenceSlabHeader header_;
  Layout request_layout_;
  Layout reply_layout_;
};

}  // namespace millrace
