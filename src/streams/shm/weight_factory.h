// The weight stream inside one host, through double-buffered files in shared memory:
//
//   publisher --> POLICY.EPOCH.trainer --> server --> POLICY.host --> readers
//
// One parameter server of the host writes the host files; the others stand by.
#pragma once

#include "streams/factory.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<WeightPublisher>> MakeShmWeightPublisher(
    const StreamContext& context, const WeightSpec& spec);
absl::StatusOr<std::unique_ptr<WeightServer>> MakeShmWeightServer(
    const StreamContext& context, const std::vector<WeightSpec>& specs);
absl::StatusOr<std::unique_ptr<WeightReader>> MakeShmWeightReader(const StreamContext& context,
                                                                  const WeightSpec& spec);

}  // namespace millrace
