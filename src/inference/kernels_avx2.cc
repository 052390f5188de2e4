#if defined(__x86_64__)
#include "inference/kernels.h"
#include "inference/simd_kernel_set.h"

namespace millrace::kernels {

extern const KernelSet kAvx2Kernels = MakeKernelSet("avx2");

}  // namespace millrace::kernels
#endif
