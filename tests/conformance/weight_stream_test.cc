// The weight stream over every transport.
#include "testing/weight_stream_suite.h"

namespace millrace {
namespace {

INSTANTIATE_TEST_SUITE_P(Inproc, WeightStreamSuite,
                         ::testing::Values(BuiltinWeightTransport(Transport::kInproc)));
INSTANTIATE_TEST_SUITE_P(Shm, WeightStreamSuite,
                         ::testing::Values(BuiltinWeightTransport(Transport::kShm)));
INSTANTIATE_TEST_SUITE_P(Grpc, WeightStreamSuite,
                         ::testing::Values(BuiltinWeightTransport(Transport::kGrpc)));

}  // namespace
}  // namespace millrace
