#include "embedding/simd_kernel_set.h"

namespace millrace::embedding {

extern const KernelSet kGenericKernels = MakeKernelSet("generic");

}  // namespace millrace::embedding
