// Messages of the inference stream over ZeroMQ.
//
//   client                                       server
//   Hello, every second              --->        knows that the client lives
//   Request {id}                     --->        served once per id
//                                    <---        Reply {id}; again if the id comes again
//   Bye                              --->        forgets the client
#pragma once

#include <cstdint>

#include "data/wire.h"
#include "streams/inference_stream.h"

namespace millrace {

struct InferenceHello {
  uint64_t fingerprint = 0;  // of the spec: both ends must have the same
  uint32_t client = 0;
  uint32_t incarnation = 0;
};
using InferenceBye = InferenceHello;

// Payload: the whole RequestLayout or its compact prefix.
struct InferenceRequest {
  uint64_t fingerprint = 0;
  RequestHeader header;
};

// Payload: ReplyLayout.
struct InferenceReply {
  ReplyHeader header;
  uint32_t client = 0;
  uint32_t incarnation = 0;
  uint32_t group = 0;
  uint32_t reserved = 0;
};

// Payload: the reason as text.
struct InferenceRefuse {
  uint64_t fingerprint = 0;  // of the server
};

static_assert(WireStruct<InferenceHello> && WireStruct<InferenceRequest> &&
              WireStruct<InferenceReply> && WireStruct<InferenceRefuse>);

// Names, types and shapes of all fields of requests and replies, as a number.
inline uint64_t Fingerprint(const InferenceSpec& spec) {
  uint64_t hash = spec.RequestLayout().schema().hash();
  for (const uint64_t part : {spec.ReplyLayout().schema().hash(), static_cast<uint64_t>(spec.rows),
                              static_cast<uint64_t>(spec.state_size)}) {
    hash = (hash ^ part) * 0x100000001B3;  // FNV-1a, a word at a time
  }
  return hash;
}

}  // namespace millrace
