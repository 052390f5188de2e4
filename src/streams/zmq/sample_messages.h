// Messages of the sample stream over ZeroMQ.
//
//   producer                                            consumer
//   Hello, every 500 ms and on every connection  --->   makes the lane
//                                                <---   Ack {session, received, disposed}
//   Segment ...                                  --->   in sequence; others are ignored
//                                                <---   Ack, after each change
//   Want                                         --->
//                                                <---   Credit {numbered}
//
// Everything is cumulative and may be lost or repeated. A consumer's session number is new with
// every start: when a producer sees a new one, it sends again what was not disposed of, and credits
// are numbered from 1 again.
#pragma once

#include <array>
#include <cstdint>

#include "data/ledger.h"
#include "data/segment.h"
#include "data/wire.h"

namespace millrace {

// In every message of a producer.
struct SampleProducerState {
  uint32_t producer = 0;
  uint32_t incarnation = 0;
  uint64_t session = 0;  // of the consumer, as last heard; 0: not yet. Qualifies the next two
  uint64_t wanted = 0;   // cumulative demand since that session began
  uint64_t credits = 0;  // credits of that session received
  uint64_t oldest = 1;   // every earlier sequence of this lane has been disposed of
};

struct SampleHello {
  SampleProducerState state;
  uint64_t schema_hash = 0;
  int32_t steps = 0;
  int32_t rows = 0;
  int32_t chunks = 0;
  int32_t environments = 0;
  uint32_t snapshot_capacity = 0;
  uint32_t env_steps_each = 0;
  uint32_t observation_encoding = 0;  // ObservationEncoding
  uint32_t reserved = 0;
};

using SampleWant = SampleProducerState;
using SampleBye = SampleProducerState;

// Payload: the segment's payload, as ObservationCodec makes it unless the hello says 0, then its
// snapshot.
struct SampleSegment {
  SampleProducerState state;
  uint64_t previous = 0;  // the lane's last undisposed sequence before this one; 0: none
  SegmentHeader header;
};

struct SampleAck {
  uint64_t session = 0;
  uint32_t producer = 0;  // the one meant
  uint32_t incarnation = 0;
  uint64_t received = 0;    // every sequence up to here has been received
  uint64_t contiguous = 0;  // every sequence up to here has been disposed of
  // Bit i: sequence contiguous + 1 + i has been disposed of.
  std::array<uint64_t, LaneMark::kWindow / 64> beyond = {};
};

// Payload: `count` times Credit, numbered from `first`.
struct SampleCredit {
  uint64_t session = 0;
  uint32_t producer = 0;
  uint32_t incarnation = 0;
  uint64_t first = 0;
  uint64_t count = 0;
};
inline constexpr uint64_t kMaxCreditsPerMessage = 1024;

// Payload: the reason as text.
struct SampleRefuse {
  uint64_t session = 0;
};

static_assert(WireStruct<SampleHello> && WireStruct<SampleSegment> && WireStruct<SampleAck> &&
              WireStruct<SampleCredit> && WireStruct<SampleRefuse> && WireStruct<SampleWant>);

// A lane has at most this many segments between its oldest undisposed one and its newest.
inline constexpr uint64_t kLaneWindow = LaneMark::kWindow;

}  // namespace millrace
