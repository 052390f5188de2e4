// The compiler's vector type and functions of it. Included by one source file per instruction set;
// everything is internal to that file, and only headers without inline functions may be included
// here: the linker would be free to keep an AVX-512 copy of a function that every processor calls.
#pragma once

#include <stdint.h>

namespace millrace::kernels {
namespace {

#if defined(__AVX512F__)
constexpr int64_t kWidth = 16;
#elif defined(__AVX__)
constexpr int64_t kWidth = 8;
#else
constexpr int64_t kWidth = 4;
#endif

typedef float Vector __attribute__((vector_size(kWidth * sizeof(float))));
typedef int32_t IntVector __attribute__((vector_size(kWidth * sizeof(int32_t))));
typedef uint32_t UintVector __attribute__((vector_size(kWidth * sizeof(uint32_t))));

// Not by memcpy, which wants an aligned copy on the stack: AddressSanitizer's stack is not.
typedef float UnalignedVector
    __attribute__((vector_size(kWidth * sizeof(float)), aligned(alignof(float)), may_alias));

inline Vector Load(const float* from) { return *reinterpret_cast<const UnalignedVector*>(from); }
inline void Store(float* to, Vector value) { *reinterpret_cast<UnalignedVector*>(to) = value; }
inline Vector Splat(float value) { return value - Vector{}; }
inline UintVector BitsOf(Vector x) { return __builtin_bit_cast(UintVector, x); }
inline Vector FromBits(UintVector x) { return __builtin_bit_cast(Vector, x); }

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

}  // namespace
}  // namespace millrace::kernels
