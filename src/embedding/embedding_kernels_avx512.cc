#if defined(__x86_64__)
#include "embedding/simd_kernel_set.h"

namespace millrace::embedding {

extern const KernelSet kAvx512Kernels = MakeKernelSet("avx512");

}  // namespace millrace::embedding
#endif
