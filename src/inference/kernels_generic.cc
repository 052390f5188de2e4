#include "inference/kernels.h"
#include "inference/simd_kernel_set.h"

namespace millrace::kernels {

extern const KernelSet kGenericKernels = MakeKernelSet("generic");

}  // namespace millrace::kernels
