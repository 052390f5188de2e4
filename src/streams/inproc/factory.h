// The ends of streams inside one process: those of shared memory, over the heap. Arguments and
// errors as in streams/factory.h.
#pragma once

#include <memory>

#include "streams/factory.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<SampleProducer>> MakeInprocSampleProducer(
    const StreamContext& context, const SampleStreamSpec& spec, int slots);
absl::StatusOr<std::unique_ptr<SampleConsumer>> MakeInprocSampleConsumer(
    const StreamContext& context, const SampleStreamSpec& spec);
absl::StatusOr<std::unique_ptr<InferenceClient>> MakeInprocInferenceClient(
    const StreamContext& context, const InferenceSpec& spec, const InferenceClientOptions& options);
absl::StatusOr<std::unique_ptr<InferenceServer>> MakeInprocInferenceServer(
    const StreamContext& context, const InferenceSpec& spec);

}  // namespace millrace
