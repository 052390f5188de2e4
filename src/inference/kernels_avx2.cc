#if defined(__x86_64__)
#include "inference/kernels.h"
#include "inference/simd_kernels.h"
#include "inference/simd_row_kernels.h"

namespace millrace::kernels {

extern const KernelSet kAvx2Kernels = {"avx2",     Dense,          TanhInPlace,  ReluInPlace,
                                       LstmCell,   Product,        TanhBackward, ReluBackward,
                                       ColumnSums, SquaredNorm,    MultiplyAdds, Adam,
                                       LayerNorm,  SoftmaxColumns, Add,          GruCell};

}  // namespace millrace::kernels
#endif
