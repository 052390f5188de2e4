// The loops of native forward and training, one set per instruction set, chosen once at run time.
// In each set a row's result of the forward is the same whatever the number of rows.
#pragma once

#include <cstdint>

namespace millrace::kernels {

// Outputs are stored in panels of this many floats; the last panel is filled up with zeros.
inline constexpr int64_t kPanel = 16;

// a[r][k] lies at data[r * row + k * depth].
struct Matrix {
  const float* data;
  int64_t row, depth;
};

// `count` rows of `in` floats that lie scattered in x, such as the windows of a convolution over
// [height, width, channels]: input i of row r is x[offsets[r] + inputs[i]].
struct Windows {
  const float* x;
  const int64_t* offsets;
  int64_t count;
  const int64_t* inputs;
  int64_t in;
};

// Kingma & Ba 2015 (arXiv:1412.6980), algorithm 1; the gradient is first multiplied by `scale`,
// then weight_decay times the parameter is added.
struct AdamStep {
  float scale = 1;
  float weight_decay = 0;
  float beta1 = 0.9F, beta2 = 0.999F;
  float step_size = 0;                 // learning rate / (1 - beta1^t)
  float inverse_sqrt_correction2 = 1;  // 1 / sqrt(1 - beta2^t)
  float epsilon = 1e-5F;
};

struct KernelSet {
  const char* name;
  // y[r][o] = bias[o] + sum over i of x[r][i] * w(o, i) for r < rows.
  //   x [rows, in] with row distance `x_stride`; y [rows, panels * kPanel], dense
  //   weights [panels, in, kPanel]; bias [panels * kPanel]
  void (*dense)(const float* x, int64_t x_stride, int64_t rows, int64_t in, const float* weights,
                const float* bias, int64_t panels, float* y);
  // The same of windows.
  void (*dense_windows)(const Windows& windows, const float* weights, const float* bias,
                        int64_t panels, float* y);
  // out[i] = x[i] for i < size.
  void (*bytes_to_floats)(const uint8_t* x, int64_t size, float* out);
  // In place over `size` floats, a multiple of kPanel. Absolute error of tanh at most 1e-6.
  void (*tanh)(float* x, int64_t size);
  void (*relu)(float* x, int64_t size);
  // One row of an LSTM (gates in the order input, forget, cell, output, before activation).
  //   gates [4, size]; cell [size] is updated; hidden [size] is written; size a multiple of kPanel
  void (*lstm_cell)(const float* gates, int64_t size, float* cell, float* hidden);

  // c[r * c_stride + n] = start[r * start_stride + n] + sum over k < depth of a[r][k] *
  // b[k * b_stride + n], for r < rows and n < panels * kPanel. No `start` (null): 0. With the
  // strides of `a` exchanged it is transposed. `start` may be `c`.
  void (*product)(const Matrix& a, int64_t rows, int64_t depth, const float* b, int64_t b_stride,
                  const float* start, int64_t start_stride, int64_t panels, float* c,
                  int64_t c_stride);
  // gradient *= derivative of the activation at its output y, over `size` floats, a multiple of
  // kPanel.
  void (*tanh_backward)(const float* y, float* gradient, int64_t size);
  void (*relu_backward)(const float* y, float* gradient, int64_t size);
  // out[n] = sum over r < rows of x[r * stride + n], for n < panels * kPanel.
  void (*column_sums)(const float* x, int64_t stride, int64_t rows, int64_t panels, float* out);
  // The sum of squares of `size` floats, a multiple of kPanel.
  double (*squared_norm)(const float* x, int64_t size);
  // So many rounds of as many independent multiply-adds as keep a core's units busy: what it can do
  // at most. Returns the number of operations, two each.
  int64_t (*multiply_adds)(int64_t rounds);
  // In place over `size` floats, a multiple of kPanel; log of positive numbers. Relative error
  // 2e-7.
  void (*exp)(float* x, int64_t size);
  void (*log)(float* x, int64_t size);
  // Random words to random numbers, `size` a multiple of kPanel: of the standard Gumbel
  // distribution (Gumbel 1954); of the standard normal one, two from two words (Box & Muller 1958).
  void (*gumbel)(const uint32_t* words, float* out, int64_t size);
  void (*normals)(const uint32_t* radii, const uint32_t* angles, float* cosines, float* sines,
                  int64_t size);
  // One step of Adam over `size` floats, a multiple of kPanel.
  void (*adam)(const AdamStep& step, const float* gradient, float* parameter, float* mean,
               float* variance, int64_t size);

  // y[r] = gain * (x[r] - mean) / sqrt(variance + 1e-5) + bias over `width` numbers of each row.
  // x and y [rows, size], size a multiple of kPanel; the size - width last numbers of a row are 0
  // in x, gain, bias and then y. y may be x.
  void (*layer_norm)(const float* x, int64_t rows, int64_t width, int64_t size, const float* gain,
                     const float* bias, float* y);
  // In place: the softmax of each column of x [rows, size], rows at least 1 and size a multiple of
  // kPanel.
  void (*softmax_columns)(float* x, int64_t rows, int64_t size);
  // y += x over `size` floats, a multiple of kPanel.
  void (*add)(const float* x, int64_t size, float* y);
  // One row of a GRU. from_input and from_hidden [3, size]: what the two contribute to reset,
  // update and new state, before activation; hidden [size] is updated; size a multiple of kPanel.
  void (*gru_cell)(const float* from_input, const float* from_hidden, int64_t size, float* hidden);

  // An LSTM's step in training, for `rows` rows; size a multiple of kPanel.
  //   gates [rows, 4, size], as of lstm_cell, are replaced by what the activations make of them;
  //   previous [rows, size] is the cell before; cell and hidden [rows, size] are written
  void (*lstm_forward)(float* gates, int64_t rows, int64_t size, const float* previous, float* cell,
                       float* hidden);
  // Backpropagation through it (Hochreiter & Schmidhuber 1997; Gers et al. 2000, with the gradient
  // not truncated). gates, previous and cell are those of lstm_forward.
  //   gates become the gradient of the gates before activation;
  //   hidden_gradient [rows, size]: of `hidden`, from the outputs and from the step behind;
  //   cell_gradient [rows, size]: of `cell`, from the step behind; becomes that of `previous`
  void (*lstm_backward)(float* gates, int64_t rows, int64_t size, const float* previous,
                        const float* cell, const float* hidden_gradient, float* cell_gradient);
};

extern const KernelSet kGenericKernels;
#if defined(__x86_64__)
extern const KernelSet kAvx2Kernels;
extern const KernelSet kAvx512Kernels;
#endif

// The fastest set this processor runs.
const KernelSet& BestKernels();

}  // namespace millrace::kernels
