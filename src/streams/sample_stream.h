// The sample stream of one policy: actors (producers) post segments, trainer ranks (consumers) take
// them.
//
//   producer                                   consumer (rank 0 also grants)
//   Want(n)            ---- demand ---->       demand()
//   TryCredit()        <--- credit -----       Grant(producer, credit)
//   Begin(); fill; Commit()  -- segment -->    Receive()   (in place over shm)
//   slot free again    <--- dispose ----       Dispose(segment)
//
// Producers own the slabs. A slot is freed only when the consumer disposes of the segment, after
// its own ledger says so; so a consumer that dies loses nothing (the segment is delivered again),
// and one that comes back recognises what its ledger already counts. Sequence numbers,
// acknowledgement, resend and de-duplication are part of every transport.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/deadline.h"
#include "data/ledger.h"
#include "data/segment.h"
#include "millrace/data/schema.h"
#include "streams/observation_codec.h"

namespace millrace {

// What both ends must agree on; checked in the handshake.
struct SampleStreamSpec {
  std::string policy;
  Schema schema;
  Extents extents;           // of every segment
  int32_t environments = 0;  // E: one segment is extents.steps x environments environment steps
  uint32_t snapshot_capacity = 0;  // bytes reserved for the producer snapshot
  // Producers: over shared memory too, a CRC-32C of payload and snapshot goes with every segment.
  // Consumers check it wherever it is there.
  bool checksum = false;
  // Over sockets; nothing is encoded in shared memory.
  ObservationCodecOptions observations = {};
  uint32_t env_steps_each() const {
    return static_cast<uint32_t>(extents.steps) * static_cast<uint32_t>(environments);
  }
  uint32_t agent_steps_each() const {
    return static_cast<uint32_t>(extents.steps) * static_cast<uint32_t>(extents.rows);
  }
};

// A slot being filled. Owned by the producer; valid until Commit or Abandon.
struct OpenSegment {
  int slot = -1;
  std::byte* payload = nullptr;   // Layout(spec.schema, spec.extents).total_bytes()
  std::byte* snapshot = nullptr;  // snapshot_capacity bytes
  Credit credit;
};

// Bound to the actor's thread. Rings the doorbell given at construction whenever a credit arrives
// or a slot becomes free.
class SampleProducer {
 public:
  virtual ~SampleProducer() = default;

  virtual const Layout& layout() const = 0;
  // Adds `count` to the demand: this many more segments would be started now if credits came.
  virtual void Want(int count) = 0;
  // The next credit, if one has arrived. Credits of an epoch older than the newest seen are
  // skipped.
  virtual std::optional<Credit> TryCredit() = 0;
  // A free slot, or nullopt if all are unacknowledged.
  virtual std::optional<OpenSegment> Begin(const Credit& credit) = 0;
  // Makes the segment "produced" (ledger first) and hands it to the consumer named in its credit.
  // Fills in sequence, schema hash, producer, incarnation, extents and credit of `header`.
  virtual absl::Status Commit(const OpenSegment& segment, SegmentHeader header) = 0;
  // Gives the slot back unproduced.
  virtual void Abandon(const OpenSegment& segment) = 0;
  // Segments committed and not yet disposed of by a consumer.
  virtual int unacknowledged() const = 0;
};

// A received segment. The bytes stay valid until Dispose().
struct ReceivedSegment {
  SegmentHeader header;
  const std::byte* payload = nullptr;
  std::span<const std::byte> snapshot;
  uint64_t handle = 0;  // the transport's own
};

struct ProducerStatus {
  uint32_t producer = 0;
  uint32_t incarnation = 0;
  uint64_t wanted = 0;   // cumulative demand
  uint64_t granted = 0;  // cumulative, by this consumer incarnation
  uint32_t env_steps_each = 0;
  bool operator==(const ProducerStatus&) const = default;
};

// A segment the transport refused; the producer's slot has been freed.
struct RefusedSegment {
  uint32_t producer = 0;
  uint32_t incarnation = 0;
  uint64_t sequence = 0;
  uint32_t env_steps_each = 0;
  DropReason reason = DropReason::kCrc;
  Credit credit;  // as the header has it, which may be what is damaged
};

// Bound to one thread of the trainer worker. Rings the doorbell given at construction when a
// segment, a demand or a producer arrives.
class SampleConsumer {
 public:
  virtual ~SampleConsumer() = default;

  virtual const Layout& layout() const = 0;
  // The next segment addressed to this rank, or nullopt. Segments of one lane come in sequence
  // order, after a restart beginning with the oldest one not disposed of.
  virtual std::optional<ReceivedSegment> Receive() = 0;
  // Segments refused since the last call (bad CRC, schema or header).
  virtual std::vector<RefusedSegment> TakeRefused() = 0;
  // The consumer has finished with the segment and its ledger says so: the slot is freed.
  virtual void Dispose(const ReceivedSegment& segment) = 0;

  // Producers that are connected now, ordered by (producer, incarnation).
  virtual std::vector<ProducerStatus> Producers() = 0;
  // Rank 0 only. False if that producer is gone.
  virtual bool Grant(uint32_t producer, uint32_t incarnation, const Credit& credit) = 0;
  // The producer is dead and its lane is accounted for: forget it and free its resources.
  virtual void Forget(uint32_t producer, uint32_t incarnation) = 0;
};

}  // namespace millrace
