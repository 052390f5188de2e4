#if defined(__x86_64__)
#include "sparse/simd_kernel_set.h"

namespace millrace::sparse {

extern const KernelSet kAvx512Float32 = MakeKernelSet<Float32>("avx512");
extern const KernelSet kAvx512Bfloat16 = MakeKernelSet<Bfloat16>("avx512");

}  // namespace millrace::sparse
#endif
