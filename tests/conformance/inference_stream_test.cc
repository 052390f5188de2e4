// The inference stream over every transport.
#include "testing/inference_stream_suite.h"

namespace millrace {
namespace {

using ::testing::Values;

INSTANTIATE_TEST_SUITE_P(Inproc, InferenceStreamSuite,
                         Values(BuiltinInferenceTransport(Transport::kInproc)));
INSTANTIATE_TEST_SUITE_P(Shm, InferenceStreamSuite,
                         Values(BuiltinInferenceTransport(Transport::kShm)));
INSTANTIATE_TEST_SUITE_P(Zmq, InferenceStreamSuite,
                         Values(BuiltinInferenceTransport(Transport::kZmq)));

}  // namespace
}  // namespace millrace
