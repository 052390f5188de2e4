// Kernels that work on one row after another; included like simd_kernels.h, on which they build.
#pragma once

#include "kernels/simd_kernels.h"

namespace millrace::kernels {
namespace {

// The sum of the lanes, halves added until four are left. Without memory: AddressSanitizer's stack
// is not aligned for vectors beside an array.
typedef float Four __attribute__((vector_size(4 * sizeof(float))));
inline float Sum(Four x) { return (x[0] + x[1]) + (x[2] + x[3]); }
#if defined(__AVX__)
typedef float Eight __attribute__((vector_size(8 * sizeof(float))));
inline float Sum(Eight x) {
  return Sum(__builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7));
}
#endif
#if defined(__AVX512F__)
inline float Sum(Vector x) {
  return Sum(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
             __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15));
}
#endif

void LayerNorm(const float* x, int64_t rows, int64_t width, int64_t size, const float* gain,
               const float* bias, float* y) {
  constexpr float kEpsilon = 1e-5F;
  const float share = 1.0F / static_cast<float>(width);
  for (int64_t row = 0; row < rows; ++row, x += size, y += size) {
    Vector sum{}, squares{};
    for (int64_t i = 0; i < size; i += kWidth) sum += Load(x + i);
    const float mean = Sum(sum) * share;
    int64_t done = 0;
    for (; done + kWidth <= width; done += kWidth) {
      const Vector centred = Load(x + done) - mean;
      squares += centred * centred;
    }
    float square = Sum(squares);
    for (; done < width; ++done) square += (x[done] - mean) * (x[done] - mean);
    const float scale = 1.0F / __builtin_sqrtf(square * share + kEpsilon);
    for (int64_t i = 0; i < size; i += kWidth) {
      Store(y + i, (Load(x + i) - mean) * scale * Load(gain + i) + Load(bias + i));
    }
  }
}

void SoftmaxColumns(float* x, int64_t rows, int64_t size) {
  for (int64_t column = 0; column < size; column += kWidth) {
    float* top = x + column;
    Vector max = Load(top);
    for (int64_t row = 1; row < rows; ++row) {
      const Vector value = Load(top + row * size);
      max = value > max ? value : max;
    }
    Vector sum{};
    for (int64_t row = 0; row < rows; ++row) {
      const Vector power = Exp(Load(top + row * size) - max);
      sum += power;
      Store(top + row * size, power);
    }
    const Vector scale = 1.0F / sum;
    for (int64_t row = 0; row < rows; ++row) {
      Store(top + row * size, Load(top + row * size) * scale);
    }
  }
}

void GruCell(const float* from_input, const float* from_hidden, int64_t size, float* hidden) {
  for (int64_t i = 0; i < size; i += kWidth) {
    const Vector reset = Sigmoid(Load(from_input + i) + Load(from_hidden + i));
    const Vector update = Sigmoid(Load(from_input + size + i) + Load(from_hidden + size + i));
    const Vector fresh =
        Tanh(Load(from_input + 2 * size + i) + reset * Load(from_hidden + 2 * size + i));
    Store(hidden + i, fresh + update * (Load(hidden + i) - fresh));
  }
}

void LstmForward(float* gates, int64_t rows, int64_t size, const float* previous, float* cell,
                 float* hidden) {
  for (int64_t row = 0; row < rows; ++row, gates += 4 * size) {
    for (int64_t i = 0; i < size; i += kWidth) {
      const int64_t at = row * size + i;
      const Vector input = Sigmoid(Load(gates + i));
      const Vector forget = Sigmoid(Load(gates + size + i));
      const Vector candidate = Tanh(Load(gates + 2 * size + i));
      const Vector output = Sigmoid(Load(gates + 3 * size + i));
      const Vector next = forget * Load(previous + at) + input * candidate;
      Store(gates + i, input);
      Store(gates + size + i, forget);
      Store(gates + 2 * size + i, candidate);
      Store(gates + 3 * size + i, output);
      Store(cell + at, next);
      Store(hidden + at, output * Tanh(next));
    }
  }
}

void LstmBackward(float* gates, int64_t rows, int64_t size, const float* previous,
                  const float* cell, const float* hidden_gradient, float* cell_gradient) {
  for (int64_t row = 0; row < rows; ++row, gates += 4 * size) {
    for (int64_t i = 0; i < size; i += kWidth) {
      const int64_t at = row * size + i;
      const Vector input = Load(gates + i), forget = Load(gates + size + i);
      const Vector candidate = Load(gates + 2 * size + i), output = Load(gates + 3 * size + i);
      const Vector squashed = Tanh(Load(cell + at));
      const Vector by_hidden = Load(hidden_gradient + at);
      const Vector by_cell =
          Load(cell_gradient + at) + by_hidden * output * (1.0F - squashed * squashed);
      Store(gates + i, by_cell * candidate * input * (1.0F - input));
      Store(gates + size + i, by_cell * Load(previous + at) * forget * (1.0F - forget));
      Store(gates + 2 * size + i, by_cell * input * (1.0F - candidate * candidate));
      Store(gates + 3 * size + i, by_hidden * squashed * output * (1.0F - output));
      Store(cell_gradient + at, by_cell * forget);
    }
  }
}

void Add(const float* x, int64_t size, float* y) {
  for (int64_t i = 0; i < size; i += kWidth) Store(y + i, Load(y + i) + Load(x + i));
}

}  // namespace
}  // namespace millrace::kernels
