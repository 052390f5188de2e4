// The kernels in terms of the compiler's vector type. Included by one source file per instruction
// set; everything is internal to that file, and only headers without inline functions may be
// included here: the linker would be free to keep an AVX-512 copy of a function that every
// processor calls.
#pragma once

#include <stdint.h>

#include "inference/kernels.h"

namespace millrace::kernels {
namespace {

#if defined(__AVX512F__)
constexpr int64_t kWidth = 16;
constexpr int64_t kPanelsAtOnce = 4;
#elif defined(__AVX__)
constexpr int64_t kWidth = 8;
constexpr int64_t kPanelsAtOnce = 1;
#else
constexpr int64_t kWidth = 4;
constexpr int64_t kPanelsAtOnce = 1;
#endif
constexpr int64_t kVectors = kPanel / kWidth;         // per panel
constexpr int64_t kRowsAtOnce = kWidth == 4 ? 2 : 6;  // as many sums as there are registers

typedef float Vector __attribute__((vector_size(kWidth * sizeof(float))));
typedef int32_t IntVector __attribute__((vector_size(kWidth * sizeof(int32_t))));

inline Vector Load(const float* from) {
  Vector value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}
inline void Store(float* to, Vector value) { __builtin_memcpy(to, &value, sizeof(value)); }
inline Vector Splat(float value) { return value - Vector{}; }

// e^x for x clamped to [-87, 87], relative error 2e-7; NaN stays NaN. Cephes' expf.
inline Vector Exp(Vector x) {
  x = x < -87.0F ? Splat(-87.0F) : x;
  x = x > 87.0F ? Splat(87.0F) : x;
  // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
  constexpr float kRound = 12582912.0F;
  const Vector shifted = x * 1.44269504088896341F + kRound;
  const Vector n = shifted - kRound;
  const Vector r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  Vector p = Splat(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  const IntVector exponent = (__builtin_bit_cast(IntVector, shifted) + 127) << 23;
  return p * __builtin_bit_cast(Vector, exponent);
}
inline Vector Sigmoid(Vector x) { return 1.0F / (1.0F + Exp(-x)); }
inline Vector Tanh(Vector x) { return 1.0F - 2.0F / (1.0F + Exp(x + x)); }

// A tile of kRows x kPanels panels, its sums held in registers.
template <int64_t kRows, int64_t kPanels>
inline void DenseTile(const float* x, int64_t x_stride, int64_t in, const float* weights,
                      const float* bias, float* y, int64_t y_stride) {
  constexpr int64_t kColumns = kPanels * kVectors;
  Vector sums[kRows][kColumns];
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int64_t c = 0; c < kColumns; ++c) sums[r][c] = Load(bias + c * kWidth);
  }
  for (int64_t i = 0; i < in; ++i) {
    Vector w[kColumns];
#pragma GCC unroll 8
    for (int64_t c = 0; c < kColumns; ++c) {
      w[c] = Load(weights + (c / kVectors * in + i) * kPanel + c % kVectors * kWidth);
    }
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; ++r) {
      const float scalar = x[r * x_stride + i];
#pragma GCC unroll 8
      for (int64_t c = 0; c < kColumns; ++c) sums[r][c] += scalar * w[c];
    }
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int64_t c = 0; c < kColumns; ++c) Store(y + r * y_stride + c * kWidth, sums[r][c]);
  }
}

template <int64_t kPanels, int64_t kRows>
inline void DenseRows(const float* x, int64_t x_stride, int64_t rows, int64_t in,
                      const float* weights, const float* bias, float* y, int64_t y_stride) {
  int64_t row = 0;
  for (; row + kRows <= rows; row += kRows) {
    DenseTile<kRows, kPanels>(x + row * x_stride, x_stride, in, weights, bias, y + row * y_stride,
                              y_stride);
  }
  if constexpr (kRows > 1) {
    DenseRows<kPanels, kRows / 2>(x + row * x_stride, x_stride, rows - row, in, weights, bias,
                                  y + row * y_stride, y_stride);
  }
}

template <int64_t kPanels>
inline void DensePanels(const float* x, int64_t x_stride, int64_t rows, int64_t in,
                        const float*& weights, const float*& bias, int64_t& panels, float*& y,
                        int64_t y_stride) {
  for (; panels >= kPanels; panels -= kPanels) {
    DenseRows<kPanels, kRowsAtOnce>(x, x_stride, rows, in, weights, bias, y, y_stride);
    weights += kPanels * in * kPanel;
    bias += kPanels * kPanel;
    y += kPanels * kPanel;
  }
  if constexpr (kPanels > 1) {
    DensePanels<kPanels / 2>(x, x_stride, rows, in, weights, bias, panels, y, y_stride);
  }
}

void Dense(const float* x, int64_t x_stride, int64_t rows, int64_t in, const float* weights,
           const float* bias, int64_t panels, float* y) {
  const int64_t y_stride = panels * kPanel;
  DensePanels<kPanelsAtOnce>(x, x_stride, rows, in, weights, bias, panels, y, y_stride);
}

void TanhInPlace(float* x, int64_t size) {
  for (int64_t i = 0; i < size; i += kWidth) Store(x + i, Tanh(Load(x + i)));
}

void ReluInPlace(float* x, int64_t size) {
  for (int64_t i = 0; i < size; ++i) x[i] = x[i] < 0.0F ? 0.0F : x[i];  // NaN stays NaN
}

void LstmCell(const float* gates, int64_t size, float* cell, float* hidden) {
  for (int64_t i = 0; i < size; i += kWidth) {
    const Vector input = Sigmoid(Load(gates + i));
    const Vector forget = Sigmoid(Load(gates + size + i));
    const Vector candidate = Tanh(Load(gates + 2 * size + i));
    const Vector output = Sigmoid(Load(gates + 3 * size + i));
    const Vector next = forget * Load(cell + i) + input * candidate;
    Store(cell + i, next);
    Store(hidden + i, output * Tanh(next));
  }
}

// ---- training ----

template <int64_t kRows, int64_t kPanels>
inline void ProductTile(const float* a, int64_t a_row, int64_t a_depth, int64_t depth,
                        const float* b, int64_t b_stride, const float* start, int64_t start_stride,
                        float* c, int64_t c_stride) {
  constexpr int64_t kColumns = kPanels * kVectors;
  Vector sums[kRows][kColumns];
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int64_t n = 0; n < kColumns; ++n) {
      sums[r][n] = start == nullptr ? Vector{} : Load(start + r * start_stride + n * kWidth);
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vector row[kColumns];
#pragma GCC unroll 8
    for (int64_t n = 0; n < kColumns; ++n) row[n] = Load(b + k * b_stride + n * kWidth);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; ++r) {
      const float scalar = a[r * a_row + k * a_depth];
#pragma GCC unroll 8
      for (int64_t n = 0; n < kColumns; ++n) sums[r][n] += scalar * row[n];
    }
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int64_t n = 0; n < kColumns; ++n) Store(c + r * c_stride + n * kWidth, sums[r][n]);
  }
}

template <int64_t kPanels, int64_t kRows>
inline void ProductRows(const Matrix& a, int64_t rows, int64_t depth, const float* b,
                        int64_t b_stride, const float* start, int64_t start_stride, float* c,
                        int64_t c_stride) {
  int64_t row = 0;
  for (; row + kRows <= rows; row += kRows) {
    ProductTile<kRows, kPanels>(a.data + row * a.row, a.row, a.depth, depth, b, b_stride,
                                start == nullptr ? nullptr : start + row * start_stride,
                                start_stride, c + row * c_stride, c_stride);
  }
  if constexpr (kRows > 1) {
    ProductRows<kPanels, kRows / 2>({a.data + row * a.row, a.row, a.depth}, rows - row, depth, b,
                                    b_stride,
                                    start == nullptr ? nullptr : start + row * start_stride,
                                    start_stride, c + row * c_stride, c_stride);
  }
}

template <int64_t kPanels>
inline void ProductPanels(const Matrix& a, int64_t rows, int64_t depth, const float* b,
                          int64_t b_stride, const float* start, int64_t start_stride,
                          int64_t panels, float* c, int64_t c_stride) {
  for (; panels >= kPanels; panels -= kPanels) {
    ProductRows<kPanels, kRowsAtOnce>(a, rows, depth, b, b_stride, start, start_stride, c,
                                      c_stride);
    b += kPanels * kPanel;
    c += kPanels * kPanel;
    if (start != nullptr) start += kPanels * kPanel;
  }
  if constexpr (kPanels > 1) {
    ProductPanels<kPanels / 2>(a, rows, depth, b, b_stride, start, start_stride, panels, c,
                               c_stride);
  }
}

void Product(const Matrix& a, int64_t rows, int64_t depth, const float* b, int64_t b_stride,
             const float* start, int64_t start_stride, int64_t panels, float* c, int64_t c_stride) {
  ProductPanels<kPanelsAtOnce>(a, rows, depth, b, b_stride, start, start_stride, panels, c,
                               c_stride);
}

void TanhBackward(const float* y, float* gradient, int64_t size) {
  for (int64_t i = 0; i < size; i += kWidth) {
    const Vector output = Load(y + i);
    Store(gradient + i, Load(gradient + i) * (1.0F - output * output));
  }
}

void ReluBackward(const float* y, float* gradient, int64_t size) {
  for (int64_t i = 0; i < size; ++i) gradient[i] = y[i] > 0.0F ? gradient[i] : 0.0F;
}

void ColumnSums(const float* x, int64_t stride, int64_t rows, int64_t panels, float* out) {
  for (int64_t column = 0; column < panels * kPanel; column += kWidth) {
    Vector sum{};
    for (int64_t row = 0; row < rows; ++row) sum += Load(x + row * stride + column);
    Store(out + column, sum);
  }
}

double SquaredNorm(const float* x, int64_t size) {
  constexpr int64_t kBlock = 1024;  // float sums of so many, added up in double
  double total = 0;
  for (int64_t begin = 0; begin < size; begin += kBlock) {
    const int64_t end = begin + kBlock < size ? begin + kBlock : size;
    Vector sum{};
    for (int64_t i = begin; i < end; i += kWidth) {
      const Vector value = Load(x + i);
      sum += value * value;
    }
    float parts[kWidth];
    Store(parts, sum);
    for (float part : parts) total += static_cast<double>(part);
  }
  return total;
}

int64_t MultiplyAdds(int64_t rounds) {
  constexpr int kSums = 12;  // latency times units of any processor so far
  Vector sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = Splat(1.0F + static_cast<float>(i));
  const Vector factor = Splat(0.999F), addend = Splat(1e-3F);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = sums[i] * factor + addend;
  }
  Vector total{};
  for (const Vector& sum : sums) total += sum;
  volatile float used = total[0];  // the loop must not be optimised away
  (void)used;
  return rounds * kSums * kWidth * 2;
}

void Adam(const AdamStep& step, const float* gradient, float* parameter, float* mean,
          float* variance, int64_t size) {
  for (int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] * step.scale + step.weight_decay * parameter[i];
    mean[i] += (1.0F - step.beta1) * (g - mean[i]);
    variance[i] = step.beta2 * variance[i] + (1.0F - step.beta2) * g * g;
    const float root = __builtin_sqrtf(variance[i]) * step.inverse_sqrt_correction2;
    parameter[i] -= step.step_size * mean[i] / (root + step.epsilon);
  }
}

}  // namespace
}  // namespace millrace::kernels
