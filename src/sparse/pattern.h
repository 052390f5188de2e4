// N:M sparsity patterns by name.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "sparse/sparse_kernels.h"

namespace millrace::sparse {

inline bool IsDense(const Pattern& pattern) { return pattern.kept == pattern.group; }
// As dense weights are packed.
inline Pattern DensePattern() { return {.kept = 2, .group = 2, .shared_by = kDenseSharedBy}; }
// Whether there are kernels for it.
bool IsKnown(const Pattern& pattern);

// "2:8", or "dense".
std::string NameOf(const Pattern& pattern);
// Not shared. kInvalidArgument, with the nearest name, if there are no kernels for it.
absl::StatusOr<Pattern> ParsePattern(std::string_view name);

}  // namespace millrace::sparse
