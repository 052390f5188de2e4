// Sample and inference streams over ZeroMQ. Every end has a thread that owns its sockets.
#pragma once

#include "streams/factory.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<SampleProducer>> MakeZmqSampleProducer(const StreamContext& context,
                                                                      const SampleStreamSpec& spec,
                                                                      int slots);
absl::StatusOr<std::unique_ptr<SampleConsumer>> MakeZmqSampleConsumer(const StreamContext& context,
                                                                      const SampleStreamSpec& spec);
absl::StatusOr<std::unique_ptr<InferenceClient>> MakeZmqInferenceClient(
    const StreamContext& context, const InferenceSpec& spec, const InferenceClientOptions& options);
absl::StatusOr<std::unique_ptr<InferenceServer>> MakeZmqInferenceServer(
    const StreamContext& context, const InferenceSpec& spec);

}  // namespace millrace
