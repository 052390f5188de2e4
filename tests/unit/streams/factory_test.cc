#include "streams/factory.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(StreamFactory, PairsThatDoNotExistAreNamed) {
  const auto sample = MakeSampleConsumer(Transport::kGrpc, {}, {});
  EXPECT_EQ(sample.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(sample.status().message(),
            "transport of sample streams: expected inproc, shm or zmq, got grpc");
  const auto weight = MakeWeightReader(Transport::kZmq, {}, {});
  EXPECT_EQ(weight.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(weight.status().message(),
            "transport of weight streams: expected inproc, shm or grpc, got zmq");
}

}  // namespace
}  // namespace millrace
