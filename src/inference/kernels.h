// The loops of the native forward, one set per instruction set, chosen once at run time. In each
// set a row's result is the same whatever the number of rows.
#pragma once

#include <cstdint>

namespace millrace::kernels {

// Outputs are stored in panels of this many floats; the last panel is filled up with zeros.
inline constexpr int64_t kPanel = 16;

struct KernelSet {
  const char* name;
  // y[r][o] = bias[o] + sum over i of x[r][i] * w(o, i) for r < rows.
  //   x [rows, in] with row distance `x_stride`; y [rows, panels * kPanel], dense
  //   weights [panels, in, kPanel]; bias [panels * kPanel]
  void (*dense)(const float* x, int64_t x_stride, int64_t rows, int64_t in, const float* weights,
                const float* bias, int64_t panels, float* y);
  // In place over `size` floats, a multiple of kPanel. Absolute error of tanh at most 1e-6.
  void (*tanh)(float* x, int64_t size);
  void (*relu)(float* x, int64_t size);
  // One row of an LSTM (gates in the order input, forget, cell, output, before activation).
  //   gates [4, size]; cell [size] is updated; hidden [size] is written; size a multiple of kPanel
  void (*lstm_cell)(const float* gates, int64_t size, float* cell, float* hidden);
};

extern const KernelSet kGenericKernels;
#if defined(__x86_64__)
extern const KernelSet kAvx2Kernels;
extern const KernelSet kAvx512Kernels;
#endif

// The fastest set this processor runs.
const KernelSet& BestKernels();

}  // namespace millrace::kernels
