// Whether the caller of InferenceModel::Forward() has given it enough room.
#pragma once

#include "absl/status/status.h"
#include "millrace/inference/inference_model.h"

namespace millrace {

// kInvalidArgument with the sizes if one of the spans is too short.
absl::Status CheckHeads(const ModelSpec& spec, int rows, const HeadSpans& heads);

}  // namespace millrace
