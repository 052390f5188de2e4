#include "sparse/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernel_sets.h"
#include "sparse/product_choice.h"

namespace millrace::sparse {
namespace {

// Weights as a layer stores them, [out, in], seen from both sides.
MatrixView ForwardView(const std::vector<float>& w, int64_t out, int64_t in) {
  return {.data = w.data(), .outputs = out, .inputs = in, .row = in, .depth = 1};
}
MatrixView BackwardView(const std::vector<float>& w, int64_t out, int64_t in) {
  return {.data = w.data(), .outputs = in, .inputs = out, .row = 1, .depth = in};
}

float At(const MatrixView& m, int64_t output, int64_t input) {
  return m.data[output * m.row + input * m.depth];
}

// The inputs of an output that a pattern keeps, ascending, by sorting.
std::vector<int64_t> Kept(const MatrixView& m, const Pattern& pattern, int64_t output,
                          Precision precision) {
  const int64_t begin = output / pattern.shared_by * pattern.shared_by;
  const int64_t end = std::min(begin + pattern.shared_by, m.outputs);
  std::vector<int64_t> kept;
  const int64_t size = pattern.tiles ? DepthBlock(precision) : pattern.group;
  for (int64_t first = 0; first < m.inputs; first += size) {
    std::vector<int64_t> group(static_cast<size_t>(std::min(size, m.inputs - first)));
    std::iota(group.begin(), group.end(), first);
    const auto score = [&](int64_t input) {
      // The tests' weights are multiples of a power of two: sums are exact in any order.
      float sum = 0;
      for (int64_t o = begin; o < end; ++o) sum += std::fabs(At(m, o, input));
      return sum;
    };
    std::stable_sort(group.begin(), group.end(),
                     [&](int64_t a, int64_t b) { return score(a) > score(b); });
    const int64_t count = pattern.tiles ? pattern.KeptOfTile(std::ssize(group)) : pattern.kept;
    group.resize(std::min<size_t>(group.size(), static_cast<size_t>(count)));
    std::sort(group.begin(), group.end());
    kept.insert(kept.end(), group.begin(), group.end());
  }
  return kept;
}

// Without repetitions, which have weight 0.
std::vector<int64_t> Chosen(const PackedMatrix& packed, int64_t output) {
  auto inputs = packed.ChosenInputs(output);
  inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
  return inputs;
}

const std::vector<Pattern>& Patterns() {
  static const std::vector<Pattern> patterns = {
      {1, 4, 1},  {2, 4, 1},  {1, 8, 1},  {2, 8, 1},        {4, 8, 1},        {1, 16, 1},
      {2, 16, 1}, {4, 16, 1}, {2, 8, 2},  {2, 8, 4},        {2, 8, 8},        {2, 8, 16},
      {1, 8, 2},  {4, 16, 4}, {2, 4, 16}, {2, 8, 16, true}, {1, 8, 16, true}, DensePattern()};
  return patterns;
}

// Products with `rows` random rows, compared with double precision over the kept weights.
void ExpectTheProduct(const KernelSet& kernels, const MatrixView& m, const Pattern& pattern) {
  PackedMatrix packed(m.outputs, m.inputs, pattern, kernels);
  packed.Pack(m);
  const auto x = Normal(kTile * m.inputs, 7);
  AlignedBuffer<std::byte> tile;
  tile.Reserve(static_cast<size_t>(m.inputs * kTile * ElementBytes(kernels.precision)));
  kernels.tile_of_rows(x.data(), m.inputs, kTile, m.inputs, tile.data());
  AlignedFloats scratch;
  scratch.Reserve(static_cast<size_t>(packed.panels() * kPanel * kTile));
  std::vector<int> finished(static_cast<size_t>(packed.panels()));
  packed.Multiply(tile.data(), scratch.data(), [&](int64_t panel, const float* sums) {
    ++finished[static_cast<size_t>(panel)];
    for (int64_t o = panel * kPanel; o < std::min(m.outputs, (panel + 1) * kPanel); ++o) {
      const auto kept = Kept(m, pattern, o, kernels.precision);
      for (int64_t row = 0; row < kTile; row += 21) {
        double expected = 0, size = 0;
        for (const int64_t input : kept) {
          const double product =
              static_cast<double>(Rounded(At(m, o, input), kernels.precision)) *
              Rounded(x[static_cast<size_t>(row * m.inputs + input)], kernels.precision);
          expected += product;
          size += std::fabs(product);
        }
        EXPECT_NEAR(sums[o % kPanel * kTile + row], expected, 1e-6 * size + 1e-30);
      }
    }
  });
  for (const int times : finished) EXPECT_EQ(times, 1);
}

class PackedMatrixOfSet : public testing::TestWithParam<const KernelSet*> {};

TEST_P(PackedMatrixOfSet, KeepsExactlyTheLargestOfEveryGroup) {
  // Small integers, so that many are equal: ties go to the lowest input.
  for (const Pattern& pattern : Patterns()) {
    for (const auto& [out, in] : {std::pair<int64_t, int64_t>{16, 64}, {37, 83}, {5, 6}}) {
      auto w = Normal(out * in, 3);
      for (float& value : w) value = std::round(2 * value);
      for (const MatrixView& m : {ForwardView(w, out, in), BackwardView(w, out, in)}) {
        PackedMatrix packed(m.outputs, m.inputs, pattern, *GetParam());
        packed.Pack(m);
        for (int64_t o = 0; o < m.outputs; ++o) {
          EXPECT_EQ(Chosen(packed, o), Kept(m, pattern, o, GetParam()->precision))
              << NameOf(pattern) << " " << o;
        }
      }
    }
  }
}

TEST_P(PackedMatrixOfSet, MultipliesLikeTheMaskedMatrixInDoublePrecision) {
  // Several blocks of inputs, ragged ends of blocks, groups and panels.
  Rng rng(11, 0);
  for (const Pattern& pattern : Patterns()) {
    std::vector<std::pair<int64_t, int64_t>> shapes = {{16, 512}, {1, 1}, {16, 257}};
    for (int i = 0; i < 3; ++i) {
      shapes.emplace_back(1 + static_cast<int64_t>(rng.Uniform() * 60),
                          1 + static_cast<int64_t>(rng.Uniform() * 600));
    }
    for (const auto& [out, in] : shapes) {
      auto w = Normal(out * in, 5);
      // Sums over neighbours are exact in any order.
      for (float& value : w) value = std::round(value * 64) / 64;
      ExpectTheProduct(*GetParam(), ForwardView(w, out, in), pattern);
      ExpectTheProduct(*GetParam(), BackwardView(w, out, in), pattern);
    }
  }
}

std::vector<std::byte> Wire(const PackedMatrix& packed) {
  std::vector<std::byte> bytes(packed.wire_bytes());
  packed.Write(bytes.data());
  return bytes;
}

// Shapes with whole and ragged blocks, groups and panels, down to one weight.
const std::vector<std::pair<int64_t, int64_t>>& Shapes() {
  static const std::vector<std::pair<int64_t, int64_t>> shapes = {{16, 256}, {37, 259}, {5, 3},
                                                                  {1, 1},    {33, 9},   {20, 133}};
  return shapes;
}

TEST_P(PackedMatrixOfSet, RepackingMovesNoWeight) {
  for (const Pattern& pattern : Patterns()) {
    for (const auto& [out, in] : Shapes()) {
      const auto old = Normal(out * in, 1), w = Normal(out * in, 2);
      for (const auto view : {ForwardView, BackwardView}) {
        const MatrixView m = view(w, out, in);
        PackedMatrix packed(m.outputs, m.inputs, pattern, *GetParam());
        packed.Pack(view(old, out, in));
        std::vector<std::vector<int64_t>> places;
        for (int64_t o = 0; o < m.outputs; ++o) places.push_back(packed.ChosenInputs(o));
        packed.Repack(m);
        // A matrix in which these weights are by far the largest is packed to the same bytes, once
        // the weights are right.
        std::vector<float> raised(w.size());
        for (int64_t o = 0; o < m.outputs; ++o) {
          EXPECT_EQ(packed.ChosenInputs(o), places[static_cast<size_t>(o)]);
          for (const int64_t i : places[static_cast<size_t>(o)]) {
            raised[static_cast<size_t>(o * m.row + i * m.depth)] = 1e6F;
          }
        }
        PackedMatrix expected(m.outputs, m.inputs, pattern, *GetParam());
        expected.Pack(view(raised, out, in));
        expected.Repack(m);
        EXPECT_EQ(Wire(packed), Wire(expected)) << NameOf(pattern) << " " << out << " " << in;
      }
      // Unchanged weights stay what they are.
      PackedMatrix packed(out, in, pattern, *GetParam());
      packed.Pack(ForwardView(w, out, in));
      const auto before = Wire(packed);
      packed.Repack(ForwardView(w, out, in));
      EXPECT_EQ(Wire(packed), before) << NameOf(pattern) << " " << out << " " << in;
    }
  }
}

TEST_P(PackedMatrixOfSet, WhatTravelsIsTheSameMatrix) {
  for (const Pattern& pattern : Patterns()) {
    for (const auto& [out, in] : Shapes()) {
      const auto w = Normal(out * in, 3);
      PackedMatrix sent(out, in, pattern, *GetParam()), received(out, in, pattern, *GetParam());
      sent.Pack(ForwardView(w, out, in));
      const auto bytes = Wire(sent);
      ASSERT_TRUE(received.Read(bytes.data()).ok());
      EXPECT_EQ(Wire(received), bytes);
      for (int64_t o = 0; o < out; ++o) {
        EXPECT_EQ(received.ChosenInputs(o), sent.ChosenInputs(o))
            << NameOf(pattern) << " " << out << " " << in;
      }
    }
  }
}

TEST_P(PackedMatrixOfSet, PlacesAloneSayWhichWeightsTakePart) {
  for (const Pattern& pattern : Patterns()) {
    for (const auto& [out, in] : Shapes()) {
      const auto old = Normal(out * in, 1), w = Normal(out * in, 2);
      PackedMatrix packed(out, in, pattern, *GetParam()), again(out, in, pattern, *GetParam());
      std::vector<std::byte> before(packed.place_bytes()), after(before.size());
      std::vector<uint8_t> old_part(w.size(), 7), part(w.size(), 7);
      packed.Pack(ForwardView(old, out, in));
      packed.WritePlaces(before.data());
      packed.MarkChosen(packed.Whole(), old_part.data());
      packed.Pack(ForwardView(w, out, in));
      packed.WritePlaces(after.data());
      packed.MarkChosen(packed.Whole(), part.data());

      int64_t flips = 0;
      for (int64_t o = 0; o < out; ++o) {
        const auto chosen = Chosen(packed, o);
        for (int64_t i = 0; i < in; ++i) {
          const auto at = static_cast<size_t>(o * in + i);
          flips += part[at] == old_part[at] ? 0 : 1;
          EXPECT_EQ(part[at], std::ranges::count(chosen, i)) << NameOf(pattern);
        }
      }
      EXPECT_EQ(packed.CountFlips(before.data(), after.data()), flips)
          << NameOf(pattern) << " " << pattern.shared_by << " " << out << " " << in;
      EXPECT_EQ(packed.CountFlips(after.data(), after.data()), 0);

      ASSERT_TRUE(again.ReadPlaces(after.data()).ok());
      again.Repack(ForwardView(w, out, in));
      EXPECT_EQ(Wire(again), Wire(packed)) << NameOf(pattern) << " " << out << " " << in;
    }
  }
}

TEST_P(PackedMatrixOfSet, AddsTheProductOfAnotherMatrix) {
  // Several blocks of inputs in both.
  const int64_t out = 40, first_in = 530, second_in = 300;
  const auto a = Normal(out * first_in, 1), b = Normal(out * second_in, 2);
  PackedMatrix first(out, first_in, {2, 8, 1}, *GetParam());
  PackedMatrix second(out, second_in, DensePattern(), *GetParam());
  first.Pack(ForwardView(a, out, first_in));
  second.Pack(ForwardView(b, out, second_in));
  const auto tile_of = [&](int64_t in, uint64_t stream) {
    const auto x = Normal(kTile * in, stream);
    AlignedBuffer<std::byte> tile;
    tile.Reserve(static_cast<size_t>(in * kTile * 4));
    GetParam()->tile_of_rows(x.data(), in, kTile, in, tile.data());
    return tile;
  };
  const auto x = tile_of(first_in, 3), y = tile_of(second_in, 4);
  const auto size = static_cast<size_t>(3 * kPanel * kTile);
  std::vector<float> alone(size), other(size), sums(size);
  const auto nothing = [](int64_t, const float*) {};
  first.Multiply(x.data(), alone.data(), nothing);
  second.Multiply(y.data(), other.data(), nothing);
  first.MultiplyFirst(x.data(), sums.data());
  int finished = 0;
  second.MultiplyAdd(y.data(), sums.data(), [&](int64_t, const float*) { ++finished; });
  EXPECT_EQ(finished, 3);
  for (size_t i = 0; i < static_cast<size_t>(out * kTile); ++i) {
    ASSERT_NEAR(sums[i], alone[i] + other[i], 1e-3);
  }
}

TEST_P(PackedMatrixOfSet, MultiplyingAsDenseChangesNoBit) {
  Rng rng(13, 0);
  for (const Pattern& pattern : Patterns()) {
    auto shapes = Shapes();
    shapes.emplace_back(16, 530);
    shapes.emplace_back(1 + static_cast<int64_t>(rng.Uniform() * 40),
                        1 + static_cast<int64_t>(rng.Uniform() * 600));
    for (const auto& [out, in] : shapes) {
      const auto old = Normal(out * in, 1), w = Normal(out * in, 2), x = Normal(kTile * in, 3);
      AlignedBuffer<std::byte> tile;
      tile.Reserve(static_cast<size_t>(in * kTile * ElementBytes(GetParam()->precision)));
      GetParam()->tile_of_rows(x.data(), in, kTile, in, tile.data());
      const auto product = [&](const PackedMatrix& matrix) {
        std::vector<float> sums(static_cast<size_t>(matrix.padded_outputs() * kTile));
        matrix.Multiply(tile.data(), sums.data(), [](int64_t, const float*) {});
        std::vector<uint32_t> bits;
        for (const float sum : sums) bits.push_back(std::bit_cast<uint32_t>(sum));
        return bits;
      };
      PackedMatrix sparse(out, in, pattern, *GetParam()), dense(out, in, pattern, *GetParam());
      dense.MultiplyAsDense(true);
      for (PackedMatrix* matrix : {&sparse, &dense}) matrix->Pack(ForwardView(old, out, in));
      EXPECT_EQ(product(dense), product(sparse)) << NameOf(pattern) << " " << out << " " << in;
      for (PackedMatrix* matrix : {&sparse, &dense}) matrix->Repack(ForwardView(w, out, in));
      EXPECT_EQ(product(dense), product(sparse)) << NameOf(pattern) << " " << out << " " << in;

      PackedMatrix received(out, in, pattern, *GetParam());
      received.MultiplyAsDense(true);
      ASSERT_TRUE(received.Read(Wire(dense).data()).ok());
      EXPECT_EQ(Wire(dense), Wire(sparse));
      EXPECT_EQ(product(received), product(sparse)) << NameOf(pattern) << " " << out << " " << in;
    }
  }
}

TEST_P(PackedMatrixOfSet, ProductsAreChosenByTime) {
  PackedMatrix matrix(48, 272, {1, 16, 1}, *GetParam());
  const ProductTimes times = TimeProduct(matrix);
  EXPECT_GT(times.sparse, 0);
  EXPECT_GT(times.dense, 0);
  EXPECT_EQ(TimeProduct(matrix).sparse, times.sparse) << "measured twice";
  ChooseProduct(ProductChoice::kAuto, matrix);
  EXPECT_EQ(matrix.multiplies_as_dense(), times.dense < 1.05 * times.sparse);
  ChooseProduct(ProductChoice::kDense, matrix);
  EXPECT_TRUE(matrix.multiplies_as_dense());
  ChooseProduct(ProductChoice::kSparse, matrix);
  EXPECT_FALSE(matrix.multiplies_as_dense());
}

TEST_P(PackedMatrixOfSet, PartsOfAMatrixArePackedLikeTheWhole) {
  const int64_t out = 70, in = 300;
  const auto first = Normal(out * in, 4), second = Normal(out * in, 5);
  for (const Pattern& pattern : Patterns()) {
    if (pattern.tiles) continue;
    for (const auto view : {ForwardView, BackwardView}) {
      const MatrixView m = view(first, out, in), moved = view(second, out, in);
      PackedMatrix whole(m.outputs, m.inputs, pattern, *GetParam());
      PackedMatrix parts(m.outputs, m.inputs, pattern, *GetParam());
      const auto for_parts = [&](auto pack) {
        for (int64_t o = 0; o < m.outputs; o += 32) {
          for (int64_t i = 0; i < m.inputs; i += kPartInputs) {
            pack(PackedMatrix::Part{o, std::min(o + 32, m.outputs), i,
                                    std::min(i + kPartInputs, m.inputs)});
          }
        }
      };
      whole.Pack(m);
      for_parts([&](const PackedMatrix::Part& part) { parts.Pack(m, part); });
      EXPECT_EQ(Wire(parts), Wire(whole)) << NameOf(pattern);
      whole.Repack(moved);
      for_parts([&](const PackedMatrix::Part& part) { parts.Repack(moved, part); });
      EXPECT_EQ(Wire(parts), Wire(whole)) << NameOf(pattern);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, PackedMatrixOfSet, testing::ValuesIn(EverySet()), NameOfSet);

TEST(PackedMatrix, IsSmallerThanTheDenseOne) {
  const KernelSet& kernels = BestKernels(Precision::kBfloat16);
  const PackedMatrix packed(512, 512, {2, 8, 1}, kernels);
  // A pair of weights and a pair of offsets for every 8 weights.
  EXPECT_EQ(packed.bytes(), size_t{512 * 512});
}

}  // namespace
}  // namespace millrace::sparse
