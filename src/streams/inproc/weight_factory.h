// The weight stream between threads of one process: the newest blob is handed over by pointer.
#pragma once

#include "streams/factory.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<WeightPublisher>> MakeInprocWeightPublisher(
    const StreamContext& context, const WeightSpec& spec);
absl::StatusOr<std::unique_ptr<WeightServer>> MakeInprocWeightServer(
    const StreamContext& context, const std::vector<WeightSpec>& specs);
absl::StatusOr<std::unique_ptr<WeightReader>> MakeInprocWeightReader(const StreamContext& context,
                                                                     const WeightSpec& spec);

}  // namespace millrace
