#if defined(__x86_64__)
#include "embedding/simd_kernel_set.h"

namespace millrace::embedding {

extern const KernelSet kAvx2Kernels = MakeKernelSet("avx2");

}  // namespace millrace::embedding
#endif
