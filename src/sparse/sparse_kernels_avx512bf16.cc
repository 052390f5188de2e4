#if defined(__x86_64__)
#include <immintrin.h>

#include "sparse/simd_kernel_set.h"

namespace millrace::sparse {
namespace {

// Rounds in one instruction.
struct Bfloat16Instructions : Bfloat16 {
  static __m256i Round(Vector x) { return (__m256i)_mm512_cvtneps_pbh((__m512)x); }
  static void StoreElements(Element* to, Vector x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), Round(x));
  }
  static void StoreWeights(std::byte* values, int64_t p, int64_t o, Vector first, Vector second) {
    const __m512i low = _mm512_cvtepu16_epi32(Round(second));
    const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(Round(first)), 16);
    _mm512_storeu_si512(reinterpret_cast<uint32_t*>(values) + p * kPanel + o,
                        _mm512_or_si512(low, high));
  }
};

// Sums of a block of outputs over 64 rows. `vdpbf16ps` adds the product of the high halves first.
// `vpunpck` puts the values of rows 0-3, 8-11, ... and
// those of rows 4-7, 12-15, ... of 32 rows into a vector each; the sums stay apart like that until
// the last block of inputs.
template <int kOutputs, int kGroups>
inline void ProductBlock512(const PackedPanel& panel, int64_t pairs, int64_t output,
                            int64_t shared_by, const std::byte* x, bool first, bool last,
                            float* sums) {
  constexpr int kRows = kOutputs * kGroups;
  constexpr int kHalves = kTile / 32;
  constexpr int64_t kVectorBytes = 64;
  __m512 low[kRows][kHalves], high[kRows][kHalves];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int h = 0; h < kHalves; ++h) {
      const float* from = sums + r * kTile + h * 32;
      low[r][h] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(from);
      high[r][h] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(from + 16);
    }
  }
  const int64_t patterns = kPanel / shared_by;
  const uint32_t* offsets = panel.offsets + output / shared_by;
  const uint32_t* weights = reinterpret_cast<const uint32_t*>(panel.values) + output;
  // What is shared by so many outputs is streamed from behind the second-level cache. Every one of
  // a panel's blocks of outputs asks for its share of the next panel (there is none behind the
  // last, and another distance in a block that is not full: then lines are fetched that nobody
  // needs).
  constexpr bool kPrefetch = kOutputs == 4;
  const uint32_t* ahead =
      reinterpret_cast<const uint32_t*>(panel.values) + pairs * (kPanel + output);
  for (int64_t p = 0; p < pairs; ++p, offsets += patterns, weights += kPanel, ahead += kRows) {
    if constexpr (kPrefetch) _mm_prefetch(ahead, _MM_HINT_T0);
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      const uint32_t both = offsets[g];
      const std::byte* a = x + uint64_t{both & 0xFFFF} * kOffsetBytes;
      const std::byte* b = x + uint64_t{both >> 16} * kOffsetBytes;
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) {
        __m512i xa = _mm512_loadu_si512(a + h * kVectorBytes);
        __m512i xb = _mm512_loadu_si512(b + h * kVectorBytes);
        // Loaded once, not once as an operand of each of the next two: loads are what limits this.
        asm("" : "+v"(xa), "+v"(xb));
        const auto interleaved_low = (__m512bh)_mm512_unpacklo_epi16(xb, xa);
        const auto interleaved_high = (__m512bh)_mm512_unpackhi_epi16(xb, xa);
#pragma GCC unroll 4
        for (int v = 0; v < kOutputs; ++v) {
          const int r = g * kOutputs + v;
          const auto weight = (__m512bh)_mm512_set1_epi32(static_cast<int>(weights[r]));
          low[r][h] = _mm512_dpbf16_ps(low[r][h], interleaved_low, weight);
          high[r][h] = _mm512_dpbf16_ps(high[r][h], interleaved_high, weight);
        }
      }
    }
  }
  const __m512i first_rows =
      _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second_rows =
      _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int h = 0; h < kHalves; ++h) {
      float* to = sums + r * kTile + h * 32;
      __m512 begin = low[r][h], end = high[r][h];
      if (last) {
        begin = _mm512_permutex2var_ps(low[r][h], first_rows, high[r][h]);
        end = _mm512_permutex2var_ps(low[r][h], second_rows, high[r][h]);
      }
      _mm512_storeu_ps(to, begin);
      _mm512_storeu_ps(to + 16, end);
    }
  }
}

template <int kOutputs, int kGroups>
inline void ProductOfPanel512(const PackedPanel& panel, int64_t pairs, int64_t shared_by,
                              const std::byte* x, bool first, bool last, float* sums) {
  for (int64_t output = 0; output < kPanel; output += kOutputs * kGroups) {
    ProductBlock512<kOutputs, kGroups>(panel, pairs, output, shared_by, x, first, last,
                                       sums + output * kTile);
  }
}

void Product512(const PackedPanel& panel, int64_t pairs, int64_t shared_by, const std::byte* x,
                bool first, bool last, float* sums) {
  if (shared_by == 1) {
    ProductOfPanel512<1, 2>(panel, pairs, shared_by, x, first, last, sums);
  } else if (shared_by == 2) {
    ProductOfPanel512<2, 1>(panel, pairs, shared_by, x, first, last, sums);
  } else {
    ProductOfPanel512<4, 1>(panel, pairs, shared_by, x, first, last, sums);
  }
}

struct Gradient512 {
  template <int64_t kRows, int64_t kVectors>
  static void Run(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                  int64_t x_stride, int64_t tiles, int64_t columns, bool add, float* out,
                  int64_t out_stride) {
    constexpr int64_t kWords = kTile / 2;
    __m512 sums[kRows][kVectors];
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int64_t n = 0; n < kVectors; ++n) sums[r][n] = _mm512_setzero_ps();
    }
    // Short runs far apart, which the processor does not foresee.
    constexpr int64_t kLines = kRows * kTile * 2 / 64;
    const std::byte* const next_rows = g + kRows * kTile * 2;
    for (int64_t tile = 0; tile < tiles; ++tile, g += g_stride, transposed += x_stride) {
      const std::byte* const ahead = tile + 1 < tiles ? g + g_stride : next_rows;
      const auto* scalars = reinterpret_cast<const int*>(g);
      const std::byte* x = transposed;
      for (int64_t word = 0; word < kWords; ++word, x += kPanel * 4, ++scalars) {
        if (word < kLines) _mm_prefetch(ahead + word * 64, _MM_HINT_T0);
        __m512bh features[kVectors];
#pragma GCC unroll 2
        for (int64_t n = 0; n < kVectors; ++n) {
          features[n] = (__m512bh)_mm512_loadu_si512(x + n * kWords * kPanel * 4);
        }
#pragma GCC unroll 16
        for (int64_t r = 0; r < kRows; ++r) {
          const auto both = (__m512bh)_mm512_set1_epi32(scalars[r * kWords]);
#pragma GCC unroll 2
          for (int64_t n = 0; n < kVectors; ++n) {
            sums[r][n] = _mm512_dpbf16_ps(sums[r][n], features[n], both);
          }
        }
      }
    }
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int64_t n = 0; n < kVectors; ++n) {
        const int64_t width = columns - n * 16;
        const auto mask = static_cast<__mmask16>(width >= 16 ? 0xFFFF : (1 << width) - 1);
        float* to = out + r * out_stride + n * 16;
        const __m512 before = add ? _mm512_maskz_loadu_ps(mask, to) : _mm512_setzero_ps();
        _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(before, sums[r][n]));
      }
    }
  }
};

constexpr KernelSet MakeBfloat16Set() {
  KernelSet set = MakeKernelSet<Bfloat16Instructions>("avx512bf16");
  set.product = Product512;
  set.weight_gradient = WeightGradient<Gradient512, Precision::kBfloat16>;
  return set;
}

}  // namespace

extern const KernelSet kAvx512Bfloat16Products = MakeBfloat16Set();

}  // namespace millrace::sparse
#endif
