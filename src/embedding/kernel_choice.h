// Which kernels this processor can run.
#pragma once

#include <vector>

#include "embedding/embedding_kernels.h"

namespace millrace::embedding {

// The slowest first. Thread-safe.
std::vector<const KernelSet*> AllKernels();
const KernelSet& BestKernels();

}  // namespace millrace::embedding
