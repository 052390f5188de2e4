#include "streams/zmq/factory.h"

#include "streams/zmq/inference_client.h"
#include "streams/zmq/inference_server.h"
#include "streams/zmq/sample_consumer.h"
#include "streams/zmq/sample_producer.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<SampleProducer>> MakeZmqSampleProducer(const StreamContext& context,
                                                                      const SampleStreamSpec& spec,
                                                                      int slots) {
  return ZmqSampleProducer::Create(context, spec, slots);
}

absl::StatusOr<std::unique_ptr<SampleConsumer>> MakeZmqSampleConsumer(
    const StreamContext& context, const SampleStreamSpec& spec) {
  return ZmqSampleConsumer::Create(context, spec);
}

absl::StatusOr<std::unique_ptr<InferenceClient>> MakeZmqInferenceClient(
    const StreamContext& context, const InferenceSpec& spec,
    const InferenceClientOptions& options) {
  return ZmqInferenceClient::Create(context, spec, options);
}

absl::StatusOr<std::unique_ptr<InferenceServer>> MakeZmqInferenceServer(
    const StreamContext& context, const InferenceSpec& spec) {
  return ZmqInferenceServer::Create(context, spec);
}

}  // namespace millrace
