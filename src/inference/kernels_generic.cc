#include "inference/kernels.h"
#include "inference/simd_kernels.h"

namespace millrace::kernels {

extern const KernelSet kGenericKernels = MakeKernelSet("generic");

}  // namespace millrace::kernels
