#include "embedding/kernel_choice.h"

namespace millrace::embedding {

extern const KernelSet kGenericKernels;
#if defined(__x86_64__)
extern const KernelSet kAvx2Kernels, kAvx512Kernels;
#endif

std::vector<const KernelSet*> AllKernels() {
  std::vector<const KernelSet*> sets = {&kGenericKernels};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) sets.push_back(&kAvx2Kernels);
  if (__builtin_cpu_supports("avx512f")) sets.push_back(&kAvx512Kernels);
#endif
  return sets;
}

const KernelSet& BestKernels() {
  static const KernelSet& best = *AllKernels().back();
  return best;
}

}  // namespace millrace::embedding
