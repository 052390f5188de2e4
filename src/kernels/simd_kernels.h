// The kernels in terms of the compiler's vector type. Included like simd_vector.h.
#pragma once

#include <stdint.h>

#include "kernels/kernels.h"
#include "kernels/simd_vector.h"

namespace millrace::kernels {
namespace {

constexpr int64_t kPanelsAtOnce = kWidth == 16 ? 4 : 1;
constexpr int64_t kVectors = kPanel / kWidth;         // per panel
constexpr int64_t kRowsAtOnce = kWidth == 4 ? 2 : 6;  // as many sums as there are registers

// The rows of a dense layer's input: `count` rows of `in` floats, some of which are read at a time.
struct MatrixRows {
  struct Some {
    float At(int64_t r, int64_t i) const { return x[r * stride + i]; }
    const float* x;
    int64_t stride;
  };
  template <int64_t kRows>
  Some From(int64_t row) const {
    return {x + row * stride, stride};
  }

  const float* x;
  int64_t stride, count, in;
};

// A tile of kRows x kPanels panels, its sums held in registers.
template <int64_t kRows, int64_t kPanels, typename Some>
inline void DenseTile(const Some& x, int64_t in, const float* weights, const float* bias, float* y,
                      int64_t y_stride) {
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
      const float scalar = x.At(r, i);
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

// The rows from `row` on.
template <int64_t kPanels, int64_t kRows, typename Rows>
inline void DenseRows(const Rows& x, int64_t row, const float* weights, const float* bias, float* y,
                      int64_t y_stride) {
  for (; row + kRows <= x.count; row += kRows) {
    DenseTile<kRows, kPanels>(x.template From<kRows>(row), x.in, weights, bias, y + row * y_stride,
                              y_stride);
  }
  if constexpr (kRows > 1) {
    DenseRows<kPanels, (kRows + 1) / 2>(x, row, weights, bias, y, y_stride);
  }
}

template <int64_t kPanels, typename Rows>
inline void DensePanels(const Rows& x, const float* weights, const float* bias, int64_t panels,
                        float* y, int64_t y_stride) {
  for (; panels >= kPanels; panels -= kPanels) {
    DenseRows<kPanels, kRowsAtOnce>(x, 0, weights, bias, y, y_stride);
    weights += kPanels * x.in * kPanel;
    bias += kPanels * kPanel;
    y += kPanels * kPanel;
  }
  if constexpr (kPanels > 1) {
    DensePanels<kPanels / 2>(x, weights, bias, panels, y, y_stride);
  }
}

void Dense(const float* x, int64_t x_stride, int64_t rows, int64_t in, const float* weights,
           const float* bias, int64_t panels, float* y) {
  DensePanels<kPanelsAtOnce>(MatrixRows{x, x_stride, rows, in}, weights, bias, panels, y,
                             panels * kPanel);
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

// ---- sampling ----

void ExpInPlace(float* x, int64_t size) {
  for (int64_t i = 0; i < size; i += kWidth) Store(x + i, Exp(Load(x + i)));
}

void LogInPlace(float* x, int64_t size) {
  for (int64_t i = 0; i < size; i += kWidth) Store(x + i, Log(Load(x + i)));
}

void Gumbel(const uint32_t* words, float* out, int64_t size) {
  for (int64_t i = 0; i < size; i += kWidth) Store(out + i, -Log(-Log(Uniform(words + i))));
}

inline Vector SquareRoot(Vector x) {
  float lanes[kWidth];
  Store(lanes, x);
  for (float& lane : lanes) lane = __builtin_sqrtf(lane);
  return Load(lanes);
}

void Normals(const uint32_t* radii, const uint32_t* angles, float* cosines, float* sines,
             int64_t size) {
  for (int64_t i = 0; i < size; i += kWidth) {
    const Vector radius = SquareRoot(-2.0F * Log(Uniform(radii + i)));
    const SineCosine direction = SinCosOfTurns(Uniform(angles + i));
    Store(cosines + i, radius * direction.cosine);
    Store(sines + i, radius * direction.sine);
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
  // A transposed `a` is as deep as a minibatch has rows: part by part, so that `b`, which is read
  // once for every few rows of `a`, stays in the second-level cache.
  constexpr int64_t kDepthAtOnce = 128;
  const int64_t part = a.depth == 1 || depth < kDepthAtOnce ? depth : kDepthAtOnce;
  ProductPanels<kPanelsAtOnce>(a, rows, part, b, b_stride, start, start_stride, panels, c,
                               c_stride);
  for (int64_t done = part; done < depth; done += part) {
    ProductPanels<kPanelsAtOnce>({a.data + done * a.depth, a.row, a.depth}, rows,
                                 depth - done < part ? depth - done : part, b + done * b_stride,
                                 b_stride, c, c_stride, panels, c, c_stride);
  }
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
