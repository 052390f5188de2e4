// The sets of kernels that this processor runs.
#pragma once

#include <vector>

#include "sparse/sparse_kernels.h"

namespace millrace::sparse {

// The fastest one.
const KernelSet& BestKernels(Precision precision);
// All of them, the one without vector instructions of its own first.
std::vector<const KernelSet*> AllKernels(Precision precision);

}  // namespace millrace::sparse
