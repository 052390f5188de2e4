// Choosing the weights that take part, and packing them. Included like simd_formats.h.
//
// always_inline: left to itself g++ 12 calls some of these, which takes packing twice the time.
#pragma once

#include "sparse/simd_formats.h"
#include "sparse/simd_tiles.h"

namespace millrace::sparse {
namespace {

inline PackedPanel PanelOf(const PackedPanels& panels, int64_t p) {
  return {panels.first.offsets + p * panels.offsets_stride,
          panels.first.values + p * panels.values_stride};
}

// Weights of a panel within a block, [inputs, kPanel]; those that there are not, are 0.
struct PanelWeights {
  Vector Get(int64_t input, int64_t output) const { return Load(data + input * stride + output); }
  const float* data;
  int64_t stride;
};

// Of panel p: where the weights are, or a copy in `buffer` that has them in order.
inline PanelWeights WeightsOf(const BlockWeights& w, int64_t p, float* buffer) {
  const float* data = w.data + p * kPanel * w.row;
  const int64_t outputs = w.outputs - p * kPanel;
  if (w.row == 1 && outputs >= kPanel) return {data, w.depth};
  if (w.row == 1) {
    for (int64_t input = w.begin; input < w.end; ++input) {
      for (int64_t output = 0; output < kPanel; ++output) {
        buffer[input * kPanel + output] = output < outputs ? data[input * w.depth + output] : 0.0F;
      }
    }
    return {buffer, kPanel};
  }
  // Of the part that is packed next, as a rule.
  constexpr int64_t kAhead = DepthBlock(Precision::kBfloat16);
  for (int64_t output = 0; output < kPanel; output += kWidth) {
    for (int64_t input = w.begin; input < w.end; input += kWidth) {
      const float* const from = data + output * w.row + input;
      float* const to = buffer + input * kPanel + output;
#pragma GCC unroll 16
      for (int64_t o = 0; o < kWidth; ++o) __builtin_prefetch(from + o * w.row + kAhead, 0, 2);
      TransposeRows(from, w.row, outputs - output, w.end - input,
                    [&](int64_t i, Vector x) { Store(to + i * kPanel, x); });
    }
  }
  return {buffer, kPanel};
}

inline bool AnyLane(UintVector lanes) {
  uint32_t any = 0;
  for (int64_t i = 0; i < kWidth; ++i) any |= lanes[i];
  return any != 0;
}

inline Vector Magnitude(Vector x) { return FromBits(BitsOf(x) & 0x7FFFFFFF); }

// Every lane plus the one `kDistance` from it, in pairs.
template <int64_t kDistance, int64_t... kLane>
inline Vector AddLanes(Vector x, Lanes<kLane...>) {
  return x + __builtin_shufflevector(x, x, ((kLane ^ kDistance) % kWidth)...);
}
template <int64_t kDistance>
inline Vector AddLane(Vector x) {
  return AddLanes<kDistance>(x, EveryLane());
}

// By what inputs are chosen if outputs share patterns: sums of magnitudes over those that do.
inline void ShareScores(const PanelWeights& weights, int64_t begin, int64_t inputs,
                        int64_t shared_by, float* scores) {
  for (int64_t input = begin; input < begin + inputs; ++input) {
    Vector x[kPanelVectors];
#pragma GCC unroll 4
    for (int64_t v = 0; v < kPanelVectors; ++v) {
      x[v] = AddLane<1>(Magnitude(weights.Get(input, v * kWidth)));
      if (shared_by > 2) x[v] = AddLane<2>(x[v]);
      if (kWidth > 4 && shared_by > 4) x[v] = AddLane<4>(x[v]);
      if (kWidth > 8 && shared_by > 8) x[v] = AddLane<8>(x[v]);
    }
    // What is further apart than a vector is long.
    for (int64_t distance = kWidth; distance < shared_by; distance *= 2) {
      Vector sums[kPanelVectors];
#pragma GCC unroll 4
      for (int64_t v = 0; v < kPanelVectors; ++v) sums[v] = x[v] + x[v ^ (distance / kWidth)];
#pragma GCC unroll 4
      for (int64_t v = 0; v < kPanelVectors; ++v) x[v] = sums[v];
    }
#pragma GCC unroll 4
    for (int64_t v = 0; v < kPanelVectors; ++v, scores += kWidth) Store(scores, x[v]);
  }
}

// An input that may be chosen, for kWidth outputs. Scores are magnitudes, compared as the integers
// that their bits are.
struct Candidate {
  IntVector score;
  UintVector input;
  Vector weight;
};

// A chosen input and its weight, for kWidth outputs.
struct Slot {
  UintVector input;
  Vector weight;
};

template <typename Lanes>
[[gnu::always_inline]] inline Candidate Select(Lanes which, const Candidate& a,
                                               const Candidate& b) {
  return {which ? a.score : b.score, which ? a.input : b.input, which ? a.weight : b.weight};
}

// The kKept best of some candidates, best first; of equal ones the earlier is better.
template <int64_t kKept>
struct Best {
  Candidate of[kKept];
};

// Of candidates that are all before those of `b`.
[[gnu::always_inline]] inline Best<1> Merge(const Best<1>& a, const Best<1>& b) {
  return {{Select(b.of[0].score > a.of[0].score, b.of[0], a.of[0])}};
}
[[gnu::always_inline]] inline Best<2> Merge(const Best<2>& a, const Best<2>& b) {
  const auto second_wins = b.of[0].score > a.of[0].score;
  // The loser of the first round against the one behind the winner.
  const Candidate winner = Select(second_wins, b.of[0], a.of[0]);
  const Candidate loser = Select(second_wins, a.of[0], b.of[0]);
  const Candidate behind = Select(second_wins, b.of[1], a.of[1]);
  // Of equal ones a's is better: the loser if `second_wins`.
  const auto loser_is_next =
      (loser.score > behind.score) | (second_wins & (loser.score == behind.score));
  return {{winner, Select(loser_is_next, loser, behind)}};
}

// Those of the inputs from `begin` on, of which there are `size`; the rest are of the first input
// and have weight 0. The sign of a weight is kept with its input.
template <bool kShared>
[[gnu::always_inline]] inline Candidate CandidateOf(const PanelWeights& weights,
                                                    const float* scores, int64_t begin, int64_t i,
                                                    int64_t size, int64_t output) {
  if (i >= size) return {IntVector{}, UintVector{} + static_cast<uint32_t>(begin), Vector{}};
  const Vector weight = weights.Get(begin + i, output);
  const Vector score = kShared ? Load(scores + i * kPanel + output) : Magnitude(weight);
  const UintVector sign = kShared ? UintVector{} : BitsOf(weight) & 0x80000000;
  return {__builtin_bit_cast(IntVector, score), sign | static_cast<uint32_t>(begin + i), weight};
}

template <int64_t kKept, int64_t kGroup, typename Get>
[[gnu::always_inline]] inline Best<kKept> BestOf(Get get, int64_t first = 0) {
  if constexpr (kKept == 4) {
    Best<4> best = {{get(0), get(1), get(2), get(3)}};
    // Insertion sort, then insertion of the others.
#pragma GCC unroll 16
    for (int64_t i = 1; i < kGroup; ++i) {
      Candidate moving = i < 4 ? best.of[i] : get(i);
      decltype(moving.score > moving.score) inserted{};  // from there on all of them move
#pragma GCC unroll 4
      for (int64_t n = 0; n < (i < 4 ? i : 4); ++n) {
        inserted |= moving.score > best.of[n].score;
        const Candidate old = best.of[n];
        best.of[n] = Select(inserted, moving, old);
        moving = Select(inserted, old, moving);
      }
      if (i < 4) best.of[i] = moving;
    }
    return best;
  } else if constexpr (kGroup > kKept) {
    return Merge(BestOf<kKept, kGroup / 2>(get, first),
                 BestOf<kKept, kGroup / 2>(get, first + kGroup / 2));
  } else if constexpr (kKept == 2) {
    const Candidate a = get(first), b = get(first + 1);
    const auto second_wins = b.score > a.score;
    return {{Select(second_wins, b, a), Select(second_wins, a, b)}};
  } else {
    return {{get(first)}};
  }
}

// In the order of the inputs; of the same input, that with a weight first.
template <int64_t kKept, bool kShared>
[[gnu::always_inline]] inline void InOrder(const Best<kKept>& best, Slot (&slots)[kKept]) {
#pragma GCC unroll 4
  for (int64_t n = 0; n < kKept; ++n) {
    const Candidate& c = best.of[n];
    slots[n] = {c.input & 0x7FFFFFFF, kShared ? c.weight
                                              : FromBits(__builtin_bit_cast(UintVector, c.score) |
                                                         (c.input & 0x80000000))};
  }
#pragma GCC unroll 4
  for (int64_t pass = 1; pass < kKept; ++pass) {
#pragma GCC unroll 4
    for (int64_t n = 0; n < kKept - pass; ++n) {
      const Slot a = slots[n], b = slots[n + 1];
      const auto swap = a.input > b.input;
      slots[n] = {swap ? b.input : a.input, swap ? b.weight : a.weight};
      slots[n + 1] = {swap ? a.input : b.input, swap ? a.weight : b.weight};
    }
  }
}

// The largest two of some scores.
struct TopTwo {
  IntVector first, second;
};
template <int64_t kCount>
[[gnu::always_inline]] inline TopTwo TopTwoOf(const IntVector* scores) {
  const auto larger = [](IntVector a, IntVector b) { return a > b ? a : b; };
  const auto smaller = [](IntVector a, IntVector b) { return a < b ? a : b; };
  if constexpr (kCount == 2) {
    return {larger(scores[0], scores[1]), smaller(scores[0], scores[1])};
  } else {
    const TopTwo a = TopTwoOf<kCount / 2>(scores), b = TopTwoOf<kCount / 2>(scores + kCount / 2);
    return {larger(a.first, b.first),
            larger(smaller(a.first, b.first), larger(a.second, b.second))};
  }
}

// The number of the one bit that is set, of few.
inline UintVector BitNumber(UintVector bit) {
  const Vector power = __builtin_convertvector(__builtin_bit_cast(IntVector, bit), Vector);
  return (BitsOf(power) >> 23) - 127;
}

// Two inputs of a whole group, in their order: those whose scores reach the second largest, which
// is cheaper than to carry inputs along (but not where scores are shared). Returns lanes that are
// not 0 where three or more do: there what is chosen is wrong.
template <int64_t kGroup>
[[gnu::always_inline]] inline UintVector ReachSecond(const PanelWeights& weights, int64_t begin,
                                                     int64_t output, Slot (&slots)[2]) {
  IntVector score[kGroup];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kGroup; ++i) {
    score[i] = __builtin_bit_cast(IntVector, Magnitude(weights.Get(begin + i, output)));
  }
  const IntVector second = TopTwoOf<kGroup>(score).second;
  UintVector reached{};
  slots[1].weight = weights.Get(begin, output);
#pragma GCC unroll 16
  for (int64_t i = 0; i < kGroup; ++i) {
    const auto reaches = score[i] >= second;
    reached = reaches ? reached | 1U << i : reached;
    slots[1].weight = reaches ? weights.Get(begin + i, output) : slots[1].weight;
  }
  slots[0].weight = weights.Get(begin + kGroup - 1, output);
#pragma GCC unroll 16
  for (int64_t i = kGroup - 2; i >= 0; --i) {
    slots[0].weight = score[i] >= second ? weights.Get(begin + i, output) : slots[0].weight;
  }
  const UintVector rest = reached & (reached - 1);
  const auto first_input = static_cast<uint32_t>(begin);
  slots[0].input = BitNumber(reached ^ rest) + first_input;
  slots[1].input = BitNumber(rest) + first_input;
  return rest & (rest - 1);
}

// Where a panel has the offsets of a pair for an output; shared_by is a power of two.
inline int64_t OffsetsAt(int64_t pair, int64_t output, int64_t shared_by) {
  return (pair * kPanel + output) >> __builtin_ctzll(static_cast<uint64_t>(shared_by));
}

template <typename Format>
[[gnu::always_inline]] inline void StorePair(const PackedPanel& panel, int64_t shared_by,
                                             int64_t pair, int64_t output, const Slot& first,
                                             const Slot& second) {
  Format::StoreWeights(panel.values, pair, output, first.weight, second.weight);
  uint32_t* offsets = panel.offsets + OffsetsAt(pair, output, shared_by);
  const UintVector words = first.input * kUnit<Format> | second.input * kUnit<Format> << 16;
  if (shared_by == 1) {
    StoreWords(offsets, words);
  } else {
    uint32_t lanes[kWidth];
    StoreWords(lanes, words);
    // Of a group wider than a vector, every vector has the same.
    for (int64_t o = 0; o < kWidth; o += shared_by) *offsets++ = lanes[o];
  }
}

// The row that each lane's index names.
template <int64_t kCount>
[[gnu::always_inline]] inline Vector Pick(const Vector* rows, UintVector index) {
  if constexpr (kCount == 1) {
    return rows[0];
  } else {
    constexpr int64_t kHalf = kCount / 2;
    const Vector low = Pick<kHalf>(rows, index), high = Pick<kHalf>(rows + kHalf, index);
    return (index & static_cast<uint32_t>(kHalf)) != 0 ? high : low;
  }
}

// Offsets of a pair for kWidth outputs.
[[gnu::always_inline]] inline UintVector LoadOffsets(const PackedPanel& panel, int64_t shared_by,
                                                     int64_t pair, int64_t output) {
  const uint32_t* offsets = panel.offsets + OffsetsAt(pair, output, shared_by);
  if (shared_by == 1) return LoadWords(offsets);
  uint32_t lanes[kWidth];
  const int64_t within = output % shared_by;
  for (int64_t o = 0; o < kWidth; ++o) lanes[o] = offsets[OffsetsAt(0, within + o, shared_by)];
  return LoadWords(lanes);
}

// What is packed at a time: a group or, if one weight of each is kept, two.
template <typename Format, int64_t kKept, int64_t kGroup, bool kShared>
struct GroupPacker {
  static constexpr int64_t kInputs = kKept == 1 ? 2 * kGroup : kGroup;
  static constexpr int64_t kPairs = kKept == 4 ? 2 : 1;

  [[gnu::always_inline]] static void Pack(const PanelWeights& weights, int64_t shared_by,
                                          int64_t begin, int64_t inputs, const PackedPanel& panel) {
    const int64_t size = inputs - begin < kInputs ? inputs - begin : kInputs;
    float scores[kShared ? kInputs * kPanel : 1];
    if constexpr (kShared) ShareScores(weights, begin, size, shared_by, scores);
    const int64_t pair = begin / kInputs * kPairs;
    for (int64_t output = 0; output < kPanel; output += kWidth) {
      Slot slots[2 * kPairs];
      if constexpr (kKept == 1) {
        for (int64_t half = 0; half < 2; ++half) {
          Slot one[1];
          const auto get = [&](int64_t i) {
            return CandidateOf<kShared>(weights, scores, begin, half * kGroup + i, size, output);
          };
          InOrder<1, kShared>(BestOf<1, kGroup>(get), one);
          slots[half] = one[0];
        }
        // There may be no second group.
        if (size <= kGroup) slots[1].input = slots[0].input;
      } else {
        const auto get = [&](int64_t i) {
          return CandidateOf<kShared>(weights, scores, begin, i, size, output);
        };
        InOrder<kKept, kShared>(BestOf<kKept, kGroup>(get), slots);
      }
#pragma GCC unroll 2
      for (int64_t n = 0; n < kPairs; ++n) {
        StorePair<Format>(panel, shared_by, pair + n, output, slots[2 * n], slots[2 * n + 1]);
      }
    }
  }

  // Packs as Pack() does if the lanes that it returns are all 0.
  [[gnu::always_inline]] static UintVector PackUntied(const PanelWeights& weights,
                                                      int64_t shared_by, int64_t begin,
                                                      int64_t inputs, const PackedPanel& panel) {
    UintVector ties{};
    if (kKept != 2 || kShared || inputs - begin < kInputs) {
      Pack(weights, shared_by, begin, inputs, panel);
      return ties;
    }
    for (int64_t output = 0; output < kPanel; output += kWidth) {
      Slot slots[2];
      ties |= ReachSecond<kGroup>(weights, begin, output, slots);
      StorePair<Format>(panel, /*shared_by=*/1, begin / kInputs, output, slots[0], slots[1]);
    }
    return ties;
  }

  [[gnu::always_inline]] static void Repack(const PanelWeights& weights, int64_t shared_by,
                                            int64_t begin, int64_t inputs,
                                            const PackedPanel& panel) {
    const int64_t pair = begin / kInputs * kPairs;
    if (inputs - begin < kInputs) {
      RepackPart(weights, shared_by, pair, panel);
      return;
    }
    for (int64_t output = 0; output < kPanel; output += kWidth) {
      Vector rows[kInputs];
#pragma GCC unroll 32
      for (int64_t i = 0; i < kInputs; ++i) rows[i] = weights.Get(begin + i, output);
#pragma GCC unroll 2
      for (int64_t n = 0; n < kPairs; ++n) {
        const UintVector offsets = LoadOffsets(panel, shared_by, pair + n, output);
        const UintVector first = (offsets & 0xFFFF) / kUnit<Format>;
        const UintVector second = (offsets >> 16) / kUnit<Format>;
        // Groups begin at multiples of their size.
        const Vector* second_group = kKept == 1 ? rows + kGroup : rows;
        Format::StoreWeights(panel.values, pair + n, output, Pick<kGroup>(rows, first),
                             Pick<kGroup>(second_group, second));
      }
    }
  }

 private:
  // Of the last groups of a block, which may be incomplete.
  static void RepackPart(const PanelWeights& weights, int64_t shared_by, int64_t pair,
                         const PackedPanel& panel) {
    for (int64_t output = 0; output < kPanel; ++output) {
      // A slot that is left over repeats the input before it, and has no weight.
      uint32_t previous = UINT32_MAX;
      for (int64_t n = 0; n < kPairs; ++n) {
        const uint32_t offsets = panel.offsets[OffsetsAt(pair + n, output, shared_by)];
        const uint32_t a = (offsets & 0xFFFF) / kUnit<Format>, b = (offsets >> 16) / kUnit<Format>;
        const float first = a == previous ? 0.0F : weights.data[a * weights.stride + output];
        const float second = b == a ? 0.0F : weights.data[b * weights.stride + output];
        previous = b;
        Format::StoreWeight(panel.values, pair + n, output, first, second);
      }
    }
  }
};

template <typename Format>
struct DensePacker {
  static constexpr int64_t kInputs = 2;

  [[gnu::always_inline]] static void Pack(const PanelWeights& weights, int64_t shared_by,
                                          int64_t begin, int64_t inputs, const PackedPanel& panel) {
    const bool both = begin + 1 < inputs;
    for (int64_t output = 0; output < kPanel; output += kWidth) {
      const UintVector input = UintVector{} + static_cast<uint32_t>(begin);
      StorePair<Format>(
          panel, shared_by, begin / 2, output, {input, weights.Get(begin, output)},
          {input + (both ? 1U : 0U), both ? weights.Get(begin + 1, output) : Vector{}});
    }
  }
  [[gnu::always_inline]] static UintVector PackUntied(const PanelWeights& weights,
                                                      int64_t shared_by, int64_t begin,
                                                      int64_t inputs, const PackedPanel& panel) {
    Pack(weights, shared_by, begin, inputs, panel);
    return UintVector{};
  }
  [[gnu::always_inline]] static void Repack(const PanelWeights& weights, int64_t shared_by,
                                            int64_t begin, int64_t inputs,
                                            const PackedPanel& panel) {
    Pack(weights, shared_by, begin, inputs, panel);
  }
};

// One tile, as a "group" of its own: all inputs of a block, for all outputs of a panel.
template <typename Format>
struct TilePacker {
  // The inputs with the largest sums of magnitudes, ascending; of equal ones the earlier.
  static void Pack(const Pattern& pattern, const PanelWeights& weights, int64_t inputs,
                   const PackedPanel& panel) {
    alignas(64) float scores[DepthBlock(Format::kPrecision) * kPanel];
    ShareScores(weights, 0, inputs, kPanel, scores);
    int32_t order[DepthBlock(Format::kPrecision)];
    for (int64_t i = 0; i < inputs; ++i) {
      order[i] = __builtin_bit_cast(int32_t, scores[i * kPanel]);
    }
    const int64_t kept = pattern.KeptOfTile(inputs);
    // The largest number that at least so many reach, bit by bit.
    int32_t threshold = 0;
    for (int bit = 30; bit >= 0; --bit) {
      const int32_t candidate = threshold | 1 << bit;
      int64_t reached = 0;
      for (int64_t i = 0; i < inputs; ++i) reached += order[i] >= candidate ? 1 : 0;
      if (reached >= kept) threshold = candidate;
    }
    int64_t equal = kept;  // how many of those that are just as large are taken
    for (int64_t i = 0; i < inputs; ++i) equal -= order[i] > threshold ? 1 : 0;
    int64_t slot = 0;
    uint32_t first = 0;
    for (int64_t i = 0; i < inputs; ++i) {
      if (order[i] < threshold || (order[i] == threshold && equal-- <= 0)) continue;
      const auto offset = static_cast<uint32_t>(i) * kUnit<Format>;
      if (slot % 2 == 0) first = offset;
      panel.offsets[slot / 2] = first | offset << 16;  // one that is left over repeats itself
      ++slot;
    }
    Repack(pattern, weights, inputs, panel);
  }

  static void Repack(const Pattern& pattern, const PanelWeights& weights, int64_t inputs,
                     const PackedPanel& panel) {
    const int64_t pairs = (pattern.KeptOfTile(inputs) + 1) / 2;
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const int64_t first = (panel.offsets[pair] & 0xFFFF) / kUnit<Format>;
      const int64_t second = (panel.offsets[pair] >> 16) / kUnit<Format>;
      for (int64_t output = 0; output < kPanel; output += kWidth) {
        Format::StoreWeights(panel.values, pair, output, weights.Get(first, output),
                             second == first ? Vector{} : weights.Get(second, output));
      }
    }
  }
};

// Panel after panel or, if outputs lie side by side, all panels group by group: a row of the
// weights is then read as a whole, which rows that lie a page apart need.
template <typename Format, typename Packer, bool kChoose>
inline void PackPanels(int64_t shared_by, const BlockWeights& w, const PackedPanels& panels) {
  struct Place {
    PanelWeights weights;
    int64_t begin, panel;
  };
  // At(i) for all i < count.
  const auto pack_all = [&](int64_t count, auto at) {
    if constexpr (kChoose) {
      UintVector ties{};
      for (int64_t i = 0; i < count; ++i) {
        const Place place = at(i);
        ties |= Packer::PackUntied(place.weights, shared_by, place.begin, w.end,
                                   PanelOf(panels, place.panel));
      }
      if (!AnyLane(ties)) return;
    }
    for (int64_t i = 0; i < count; ++i) {
      const Place place = at(i);
      const auto pack = kChoose ? &Packer::Pack : &Packer::Repack;
      pack(place.weights, shared_by, place.begin, w.end, PanelOf(panels, place.panel));
    }
  };
  alignas(64) float buffer[DepthBlock(Format::kPrecision) * kPanel];
  constexpr int64_t kStep = Packer::kInputs;
  const int64_t whole = w.row == 1 ? w.outputs / kPanel : 0;
  for (int64_t begin = w.begin; whole > 0 && begin < w.end; begin += kStep) {
    pack_all(whole, [&](int64_t p) { return Place{{w.data + p * kPanel, w.depth}, begin, p}; });
  }
  for (int64_t p = whole; p * kPanel < w.outputs; ++p) {
    const PanelWeights weights = WeightsOf(w, p, buffer);
    pack_all((w.end - w.begin + kStep - 1) / kStep, [&](int64_t i) {
      return Place{weights, w.begin + i * kStep, p};
    });
  }
}

template <typename Format, int64_t kKept, int64_t kGroup, bool kChoose>
inline void PackPattern(int64_t shared_by, const BlockWeights& w, const PackedPanels& panels) {
  if (shared_by == 1) {
    PackPanels<Format, GroupPacker<Format, kKept, kGroup, false>, kChoose>(1, w, panels);
  } else {
    PackPanels<Format, GroupPacker<Format, kKept, kGroup, true>, kChoose>(shared_by, w, panels);
  }
}

template <typename Format, bool kChoose>
void PackTiles(const Pattern& pattern, const BlockWeights& w, const PackedPanels& panels) {
  alignas(64) float buffer[DepthBlock(Format::kPrecision) * kPanel];
  for (int64_t p = 0; p * kPanel < w.outputs; ++p) {
    const auto pack = kChoose ? &TilePacker<Format>::Pack : &TilePacker<Format>::Repack;
    pack(pattern, WeightsOf(w, p, buffer), w.end, PanelOf(panels, p));
  }
}

template <typename Format, bool kChoose>
void Pack(const Pattern& pattern, const BlockWeights& w, const PackedPanels& panels) {
  if (pattern.tiles) return PackTiles<Format, kChoose>(pattern, w, panels);
  const auto pack = [&]<int64_t kKept, int64_t kGroup>() {
    if (pattern.kept == kKept && pattern.group == kGroup) {
      PackPattern<Format, kKept, kGroup, kChoose>(pattern.shared_by, w, panels);
    }
  };
  pack.template operator()<1, 4>();
  pack.template operator()<2, 4>();
  pack.template operator()<1, 8>();
  pack.template operator()<2, 8>();
  pack.template operator()<4, 8>();
  pack.template operator()<1, 16>();
  pack.template operator()<2, 16>();
  pack.template operator()<4, 16>();
  if (pattern.kept == pattern.group) {
    PackPanels<Format, DensePacker<Format>, kChoose>(pattern.shared_by, w, panels);
  }
}

}  // namespace
}  // namespace millrace::sparse
