#if defined(__x86_64__)
#include "kernels/kernels.h"
#include "kernels/simd_kernel_set.h"

namespace millrace::kernels {

extern const KernelSet kAvx2Kernels = MakeKernelSet("avx2");

}  // namespace millrace::kernels
#endif
