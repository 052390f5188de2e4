#include "sparse/simd_kernel_set.h"

namespace millrace::sparse {

extern const KernelSet kGenericFloat32 = MakeKernelSet<Float32>("generic");
extern const KernelSet kGenericBfloat16 = MakeKernelSet<Bfloat16>("generic");

}  // namespace millrace::sparse
