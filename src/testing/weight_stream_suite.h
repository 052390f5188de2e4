// Conformance suite of weight streams: what every transport must do. Instantiate it with
//   INSTANTIATE_TEST_SUITE_P(Mine, WeightStreamSuite, ::testing::Values(WeightTransport{...}));
// and link weight_stream_suite.cc.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "streams/factory.h"
#include "streams/weight_stream.h"
#include "testing/stream_world.h"

namespace millrace {

struct WeightTransport {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<WeightPublisher>>(const StreamContext&,
                                                                 const WeightSpec&)>
      make_publisher;
  std::function<absl::StatusOr<std::unique_ptr<WeightServer>>(const StreamContext&,
                                                              const std::vector<WeightSpec>&)>
      make_server;
  std::function<absl::StatusOr<std::unique_ptr<WeightReader>>(const StreamContext&,
                                                              const WeightSpec&)>
      make_reader;
};
// One of the transports of streams/factory.h.
WeightTransport BuiltinWeightTransport(Transport transport);
inline void PrintTo(const WeightTransport& transport, std::ostream* out) { *out << transport.name; }

class WeightStreamSuite : public ::testing::TestWithParam<WeightTransport> {
 protected:
  struct ReaderEnd {
    StreamContext context;
    std::unique_ptr<WeightReader> stream;
  };

  WeightStreamSuite();
  std::unique_ptr<WeightPublisher> MakePublisher(uint32_t incarnation = 1);
  std::unique_ptr<WeightServer> MakeServer(uint32_t index = 0, uint32_t incarnation = 1);
  ReaderEnd MakeReader(uint32_t index = 0);
  // Publishes bytes that follow from the version.
  absl::Status Publish(WeightPublisher& publisher, WeightVersion version);
  // Waits until the reader has `version`, and checks its bytes.
  bool WaitFor(ReaderEnd& reader, WeightVersion version);
  // Reads, checks that the bytes are those of the version that is returned, and returns it.
  WeightVersion ReadAndCheck(ReaderEnd& reader);

  StreamWorld world_;
  WeightSpec spec_;
};

}  // namespace millrace
