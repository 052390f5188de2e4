#include "sparse/kernel_choice.h"

namespace millrace::sparse {

extern const KernelSet kGenericFloat32, kGenericBfloat16;
#if defined(__x86_64__)
extern const KernelSet kAvx2Float32, kAvx2Bfloat16;
extern const KernelSet kAvx512Float32, kAvx512Bfloat16;
extern const KernelSet kAvx512Bfloat16Products;  // with the instructions for it
#endif

std::vector<const KernelSet*> AllKernels(Precision precision) {
  const bool bfloat16 = precision == Precision::kBfloat16;
  std::vector<const KernelSet*> sets = {bfloat16 ? &kGenericBfloat16 : &kGenericFloat32};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    sets.push_back(bfloat16 ? &kAvx2Bfloat16 : &kAvx2Float32);
  }
  if (!__builtin_cpu_supports("avx512f")) return sets;
  sets.push_back(bfloat16 ? &kAvx512Bfloat16 : &kAvx512Float32);
  if (bfloat16 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw")) {
    sets.push_back(&kAvx512Bfloat16Products);
  }
#endif
  return sets;
}

const KernelSet& BestKernels(Precision precision) { return *AllKernels(precision).back(); }

}  // namespace millrace::sparse
