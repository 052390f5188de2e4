// The dense matrix in which weights that do not take part are 0. Included like simd_formats.h.
#pragma once

#include "sparse/simd_packing.h"

namespace millrace::sparse {
namespace {

// Inputs [begin, end) of kWidth outputs, begin even: weight_of(input), which is asked in order.
template <typename Format, typename WeightOf>
inline void StoreDense(const PackedPanel& dense, int64_t begin, int64_t end, int64_t output,
                       WeightOf weight_of) {
  for (int64_t input = begin; input < end; input += 2) {
    const bool both = input + 1 < end;
    const UintVector place = UintVector{} + static_cast<uint32_t>(input);
    const Vector weight = weight_of(input);
    StorePair<Format>(dense, kDenseSharedBy, input / 2, output, {place, weight},
                      {place + (both ? 1U : 0U), both ? weight_of(input + 1) : Vector{}});
  }
}

template <typename Format>
void SpreadTile(const Pattern& pattern, const PackedPanel& panel, int64_t inputs,
                const PackedPanel& dense) {
  const int64_t pairs = (pattern.KeptOfTile(inputs) + 1) / 2;
  for (int64_t output = 0; output < kPanel; output += kWidth) {
    int64_t slot = 0;  // of the tile's inputs, which are ascending
    StoreDense<Format>(dense, 0, inputs, output, [&](int64_t input) -> Vector {
      if (slot >= 2 * pairs) return Vector{};
      const uint32_t offsets = panel.offsets[slot / 2];
      const uint32_t offset = slot % 2 == 0 ? offsets & 0xFFFF : offsets >> 16;
      if (offset != static_cast<uint32_t>(input) * kUnit<Format>) return Vector{};
      Vector first, second;
      Format::LoadWeights(panel.values, slot / 2, output, first, second);
      return slot++ % 2 == 0 ? first : second;
    });
  }
}

template <typename Format>
void Spread(const Pattern& pattern, const PackedPanel& panel, int64_t inputs,
            const PackedPanel& dense) {
  if (pattern.tiles) return SpreadTile<Format>(pattern, panel, inputs, dense);
  const int64_t step = pattern.kept == 1 ? 2 * pattern.group : pattern.group;
  const int64_t pairs = pattern.kept == 4 ? 2 : 1;
  for (int64_t begin = 0; begin < inputs; begin += step) {
    const int64_t end = begin + step < inputs ? begin + step : inputs;
    for (int64_t output = 0; output < kPanel; output += kWidth) {
      Slot slots[4] = {};
      for (int64_t n = 0; n < pairs; ++n) {
        const int64_t pair = begin / step * pairs + n;
        const UintVector offsets = LoadOffsets(panel, pattern.shared_by, pair, output);
        Slot& first = slots[2 * n];
        Slot& second = slots[2 * n + 1];
        Format::LoadWeights(panel.values, pair, output, first.weight, second.weight);
        first.input = (offsets & 0xFFFF) / kUnit<Format>;
        second.input = (offsets >> 16) / kUnit<Format>;
      }
      // A slot that repeats an input has weight 0.
      StoreDense<Format>(dense, begin, end, output, [&](int64_t input) {
        UintVector bits{};
#pragma GCC unroll 4
        for (const Slot& slot : slots) {
          bits |= slot.input == static_cast<uint32_t>(input) ? BitsOf(slot.weight) : UintVector{};
        }
        return FromBits(bits);
      });
    }
  }
}

}  // namespace
}  // namespace millrace::sparse
