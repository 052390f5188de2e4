#if defined(__x86_64__)
#include "sparse/simd_kernel_set.h"

namespace millrace::sparse {

extern const KernelSet kAvx2Float32 = MakeKernelSet<Float32>("avx2");
extern const KernelSet kAvx2Bfloat16 = MakeKernelSet<Bfloat16>("avx2");

}  // namespace millrace::sparse
#endif
