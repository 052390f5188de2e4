// The ends of streams between processes of one host, over shared memory. Arguments and errors as in
// streams/factory.h.
#pragma once

#include <memory>

#include "streams/factory.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<SampleProducer>> MakeShmSampleProducer(const StreamContext& context,
                                                                      const SampleStreamSpec& spec,
                                                                      int slots);
absl::StatusOr<std::unique_ptr<SampleConsumer>> MakeShmSampleConsumer(const StreamContext& context,
                                                                      const SampleStreamSpec& spec);
absl::StatusOr<std::unique_ptr<InferenceClient>> MakeShmInferenceClient(
    const StreamContext& context, const InferenceSpec& spec, const InferenceClientOptions& options);
absl::StatusOr<std::unique_ptr<InferenceServer>> MakeShmInferenceServer(
    const StreamContext& context, const InferenceSpec& spec);

}  // namespace millrace
