// The sample stream over every transport.
#include "testing/sample_stream_suite.h"

namespace millrace {
namespace {

using ::testing::Values;

INSTANTIATE_TEST_SUITE_P(Inproc, SampleStreamSuite,
                         Values(BuiltinSampleTransport(Transport::kInproc, true)));
INSTANTIATE_TEST_SUITE_P(Shm, SampleStreamSuite,
                         Values(BuiltinSampleTransport(Transport::kShm, true)));
INSTANTIATE_TEST_SUITE_P(Zmq, SampleStreamSuite,
                         Values(BuiltinSampleTransport(Transport::kZmq, false)));

}  // namespace
}  // namespace millrace
