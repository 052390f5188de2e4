// Conformance suite of sample streams: what every transport must do. Instantiate it with
//   INSTANTIATE_TEST_SUITE_P(Mine, SampleStreamSuite, ::testing::Values(SampleTransport{...}));
// and link sample_stream_suite.cc.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "streams/factory.h"
#include "streams/sample_stream.h"
#include "testing/stream_world.h"

namespace millrace {

struct SampleTransport {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<SampleProducer>>(const StreamContext&,
                                                                const SampleStreamSpec&, int)>
      make_producer;
  std::function<absl::StatusOr<std::unique_ptr<SampleConsumer>>(const StreamContext&,
                                                                const SampleStreamSpec&)>
      make_consumer;
  // Committed segments arrive although their producer has died. False where the only copy is the
  // producer's own memory.
  bool keeps_segments_of_dead_producers = true;
};
// One of the transports of streams/factory.h.
SampleTransport BuiltinSampleTransport(Transport transport, bool keeps_segments_of_dead_producers);
inline void PrintTo(const SampleTransport& transport, std::ostream* out) { *out << transport.name; }

class SampleStreamSuite : public ::testing::TestWithParam<SampleTransport> {
 protected:
  struct ProducerEnd {
    StreamContext context;
    std::unique_ptr<SampleProducer> stream;
  };
  struct ConsumerEnd {
    StreamContext context;
    std::unique_ptr<SampleConsumer> stream;
  };

  SampleStreamSuite();
  ProducerEnd MakeProducer(uint32_t index, int slots = 4, uint32_t incarnation = 1);
  ConsumerEnd MakeConsumer(uint32_t rank = 0, uint32_t incarnation = 1);
  // Commits one segment whose bytes are the pattern of `seed`; a slot must be free.
  void Post(SampleProducer& producer, uint64_t seed, uint32_t rank = 0);
  // The next segment; a failure and an empty one if none comes.
  ReceivedSegment Receive(ConsumerEnd& consumer);
  bool WaitForProducers(ConsumerEnd& consumer, size_t count);
  bool WaitForUnacknowledged(ProducerEnd& producer, int count);

  StreamWorld world_;
  SampleStreamSpec spec_;
};

}  // namespace millrace
