#include "kernels/kernels.h"
#include "kernels/simd_kernel_set.h"

namespace millrace::kernels {

extern const KernelSet kGenericKernels = MakeKernelSet("generic");

}  // namespace millrace::kernels
