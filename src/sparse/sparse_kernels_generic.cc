#include "sparse/simd_sparse_kernels.h"

namespace millrace::sparse {

extern const KernelSet kGenericFloat32 = MakeKernelSet<Float32>("generic");
extern const KernelSet kGenericBfloat16 = MakeKernelSet<Bfloat16>("generic");

}  // namespace millrace::sparse
