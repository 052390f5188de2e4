// The weight stream between hosts (proto/weights.proto). Uses no shared memory.
#pragma once

#include "streams/factory.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<WeightPublisher>> MakeGrpcWeightPublisher(
    const StreamContext& context, const WeightSpec& spec);
absl::StatusOr<std::unique_ptr<WeightServer>> MakeGrpcWeightServer(
    const StreamContext& context, const std::vector<WeightSpec>& specs);
absl::StatusOr<std::unique_ptr<WeightReader>> MakeGrpcWeightReader(const StreamContext& context,
                                                                   const WeightSpec& spec);

}  // namespace millrace
