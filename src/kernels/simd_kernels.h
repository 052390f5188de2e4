// The kernels in terms of the compiler's vector type. Included by one source file per instruction
// set; everything is internal to that file, and only headers without inline functions may be
// included here: the linker would be free to keep an AVX-512 copy of a function that every
// processor calls.
#pragma once

#include <stdint.h>

#include "kernels/kernels.h"

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
typedef uint32_t UintVector __attribute__((vector_size(kWidth * sizeof(uint32_t))));

// Not by memcpy, which wants an aligned copy on the stack: AddressSanitizer's stack is not.
typedef float UnalignedVector
    __attribute__((vector_size(kWidth * sizeof(float)), aligned(alignof(float)), may_alias));

inline Vector Load(const float* from) { return *reinterpret_cast<const UnalignedVector*>(from); }
inline void Store(float* to, Vector value) { *reinterpret_cast<UnalignedVector*>(to) = value; }
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
// A quotient of polynomials fitted to it on [-9, 9], outside of which it is 1 in float32: absolute
// error 4e-7; NaN stays NaN.
inline Vector Tanh(Vector x) {
  x = x < -9.0F ? Splat(-9.0F) : x;
  x = x > 9.0F ? Splat(9.0F) : x;
  const Vector t = x * x;
  Vector p = Splat(1.3185234237766963e-8F);
  p = p * t + 2.0472647520364262e-5F;
  p = p * t + 3.4866353962570429e-3F;
  p = p * t + 0.13373243808746338F;
  p = p * t + 0.99999988079071045F;
  Vector q = Splat(7.703102937739459e-7F);
  q = q * t + 3.2714701956138015e-4F;
  q = q * t + 2.5842186063528061e-2F;
  q = q * t + 0.46706542372703552F;
  q = q * t + 1.0F;
  return x * p / q;
}
inline Vector Sigmoid(Vector x) { return 0.5F + 0.5F * Tanh(0.5F * x); }

// Of positive normal numbers; relative error 2e-7. Cephes' logf.
inline Vector Log(Vector x) {
  constexpr int32_t kRootHalf = 0x3F3504F3;  // the bits of sqrt(0.5)
  const IntVector bits = __builtin_bit_cast(IntVector, x) - kRootHalf;
  const Vector e = __builtin_convertvector(bits >> 23, Vector);
  const Vector f = __builtin_bit_cast(Vector, (bits & 0x7FFFFF) + kRootHalf) - 1.0F;
  Vector p = Splat(7.0376836292e-2F);
  p = p * f - 1.1514610310e-1F;
  p = p * f + 1.1676998740e-1F;
  p = p * f - 1.2420140846e-1F;
  p = p * f + 1.4249322787e-1F;
  p = p * f - 1.6668057665e-1F;
  p = p * f + 2.0000714765e-1F;
  p = p * f - 2.4999993993e-1F;
  p = p * f + 3.3333331174e-1F;
  const Vector squared = f * f;
  return f + (p * f * squared - e * 2.12194440e-4F - 0.5F * squared) + e * 0.693359375F;
}

// Sine and cosine of 2 pi turns, for turns in [0, 1]; absolute error 2e-7. Cephes' sinf and cosf
// within an eighth of a turn around the nearest quarter.
struct SineCosine {
  Vector sine, cosine;
};
inline SineCosine SinCosOfTurns(Vector turns) {
  const IntVector quarter = __builtin_convertvector(turns * 4.0F + 0.5F, IntVector);
  const Vector r = (turns * 4.0F - __builtin_convertvector(quarter, Vector)) * 1.57079632679489662F;
  const Vector t = r * r;
  const Vector s = r + r * t * (-1.6666654611e-1F + t * (8.3321608736e-3F - t * 1.9515295891e-4F));
  const Vector c =
      1.0F - 0.5F * t +
      t * t * (4.166664568298827e-2F + t * (-1.388731625493765e-3F + t * 2.443315711809948e-5F));
  const IntVector odd = (quarter & 1) != 0;
  const Vector sine = odd ? c : s, cosine = odd ? s : c;
  // Signs: the sine's is minus in the third and fourth quarter, the cosine's in the second and
  // third.
  const auto negate_if = [](Vector value, IntVector bit_one) {
    return __builtin_bit_cast(Vector, __builtin_bit_cast(IntVector, value) ^ (bit_one << 30));
  };
  return {negate_if(sine, quarter & 2), negate_if(cosine, (quarter + 1) & 2)};
}

// In (0, 1), both ends excluded.
inline Vector Uniform(const uint32_t* words) {
  UintVector bits;
  __builtin_memcpy(&bits, words, sizeof(bits));
  return (__builtin_convertvector(__builtin_bit_cast(IntVector, bits >> 9), Vector) + 0.5F) *
         0x1.0p-23F;
}

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
