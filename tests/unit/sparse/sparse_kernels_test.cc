#include "sparse/sparse_kernels.h"

#include <algorithm>
#include <cmath>

#include "kernel_sets.h"
#include "kernels/aligned_buffer.h"
#include "sparse/packed_matrix.h"

namespace millrace::sparse {
namespace {

class SparseKernels : public testing::TestWithParam<const KernelSet*> {
 protected:
  const KernelSet& kernels() const { return *GetParam(); }
  Precision precision() const { return kernels().precision; }
  AlignedBuffer<std::byte> Tiles(int64_t features, int64_t tiles = 1) const {
    AlignedBuffer<std::byte> buffer;
    buffer.Reserve(static_cast<size_t>(tiles * features * kTile * ElementBytes(precision())));
    return buffer;
  }
};

TEST_P(SparseKernels, ATileHoldsTheRowsFeatureByFeature) {
  for (const int64_t rows : {1, 5, 16, 63, 64}) {
    for (const int64_t columns : {1, 7, 16, 35}) {
      const int64_t stride = columns + 3;
      const auto x = Normal(rows * stride, 1);
      auto tile = Tiles(columns);
      std::fill_n(tile.data(), columns * kTile * ElementBytes(precision()), std::byte{0x55});
      kernels().tile_of_rows(x.data(), stride, rows, columns, tile.data());
      for (int64_t c = 0; c < columns; ++c) {
        for (int64_t r = 0; r < kTile; ++r) {
          const float expected =
              r < rows ? Rounded(x[static_cast<size_t>(r * stride + c)], precision()) : 0.0F;
          ASSERT_EQ(ElementAt(tile.data(), c * kTile + r, precision()), expected);
        }
      }
    }
  }
}

TEST_P(SparseKernels, RowsComeBackFromSums) {
  const auto sums = Normal(kPanel * kTile, 1), bias = Normal(kPanel, 2);
  for (const int64_t rows : {1, 17, 64}) {
    for (const int64_t columns : {1, 9, 16}) {
      const int64_t stride = columns + 2;
      std::vector<float> y(static_cast<size_t>(rows * stride), 7.0F);
      kernels().rows_of_sums(sums.data(), bias.data(), rows, columns, y.data(), stride);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < stride; ++c) {
          const float expected =
              c < columns ? sums[static_cast<size_t>(c * kTile + r)] + bias[static_cast<size_t>(c)]
                          : 7.0F;
          ASSERT_EQ(y[static_cast<size_t>(r * stride + c)], expected);
        }
      }
    }
  }
  std::vector<float> y(kTile * kPanel);
  kernels().rows_of_sums(sums.data(), nullptr, kTile, kPanel, y.data(), kPanel);
  EXPECT_EQ(y[3 * kPanel + 5], sums[5 * kTile + 3]);
}

TEST_P(SparseKernels, ActivationsAndTheirDerivatives) {
  const auto sums = Normal(kPanel * kTile, 1), bias = Normal(kPanel, 2);
  const auto gradient_sums = Normal(kPanel * kTile, 3);
  const double tolerance = precision() == Precision::kFloat32 ? 1e-6 : 1.0 / 256;
  for (const Nonlinearity f : {Nonlinearity::kNone, Nonlinearity::kTanh, Nonlinearity::kRelu}) {
    auto y = Tiles(kPanel), gradient = Tiles(kPanel);
    kernels().activate(sums.data(), bias.data(), f, y.data());
    std::vector<float> bias_gradient(kPanel, 1.0F);
    kernels().activate_backward(gradient_sums.data(), y.data(), f, gradient.data(),
                                bias_gradient.data());
    for (int64_t o = 0; o < kPanel; ++o) {
      double total = 1;
      for (int64_t i = o * kTile; i < (o + 1) * kTile; ++i) {
        const auto at = static_cast<size_t>(i);
        double value = static_cast<double>(sums[at]) + bias[static_cast<size_t>(o)];
        if (f == Nonlinearity::kTanh) value = std::tanh(value);
        if (f == Nonlinearity::kRelu) value = std::max(0.0, value);
        const double stored = ElementAt(y.data(), i, precision());
        EXPECT_NEAR(stored, value, tolerance * std::max(1.0, std::fabs(value)));
        double g = gradient_sums[at];
        if (f == Nonlinearity::kTanh) g *= 1 - stored * stored;
        if (f == Nonlinearity::kRelu) g = stored > 0 ? g : 0;
        EXPECT_NEAR(ElementAt(gradient.data(), i, precision()), g,
                    tolerance * std::max(1.0, std::fabs(g)));
        total += g;
      }
      EXPECT_NEAR(bias_gradient[static_cast<size_t>(o)], total, 1e-4);
    }
  }
}

TEST_P(SparseKernels, WeightGradientsAreSumsOverTheBatch) {
  for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{12, 32}, {29, 83}, {1, 1}}) {
    constexpr int64_t kTiles = 3;
    const int64_t panels = (columns + kPanel - 1) / kPanel;
    const auto x = Normal(kTiles * kTile * columns, 1), g = Normal(kTiles * kTile * rows, 2);
    const int64_t x_bytes = panels * kPanel * kTile * ElementBytes(precision());
    const int64_t g_bytes = rows * kTile * ElementBytes(precision());
    auto x_tiles = Tiles(panels * kPanel, kTiles), transposed = Tiles(panels * kPanel, kTiles);
    auto g_tiles = Tiles(rows, kTiles);
    for (int64_t t = 0; t < kTiles; ++t) {
      kernels().tile_of_rows(x.data() + t * kTile * columns, columns, kTile, columns,
                             x_tiles.data() + t * x_bytes);
      kernels().tile_of_rows(g.data() + t * kTile * rows, rows, kTile, rows,
                             g_tiles.data() + t * g_bytes);
      for (int64_t p = 0; p < panels; ++p) {
        const int64_t at = t * x_bytes + p * x_bytes / panels;
        kernels().transpose(x_tiles.data() + at, transposed.data() + at);
      }
    }
    std::vector<float> out(static_cast<size_t>(rows * columns), 1.0F), alone = out;
    kernels().weight_gradient(g_tiles.data(), g_bytes, transposed.data(), x_bytes, kTiles, rows,
                              columns, /*add=*/true, out.data(), columns);
    kernels().weight_gradient(g_tiles.data(), g_bytes, transposed.data(), x_bytes, kTiles, rows,
                              columns, /*add=*/false, alone.data(), columns);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        double expected = 1, size = 1;
        for (int64_t b = 0; b < kTiles * kTile; ++b) {
          const double product =
              static_cast<double>(Rounded(g[static_cast<size_t>(b * rows + r)], precision())) *
              Rounded(x[static_cast<size_t>(b * columns + c)], precision());
          expected += product;
          size += std::fabs(product);
        }
        EXPECT_NEAR(out[static_cast<size_t>(r * columns + c)], expected, 1e-6 * size);
        EXPECT_NEAR(alone[static_cast<size_t>(r * columns + c)], expected - 1, 1e-6 * size);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, SparseKernels, testing::ValuesIn(EverySet()), NameOfSet);

TEST(SparseKernels, InBfloat16AllInstructionSetsHaveTheSameBits) {
  const int64_t out = 64, in = 700;
  const auto w = Normal(out * in, 1), x = Normal(kTile * in, 2);
  for (const int64_t shared_by : {1, 2, 4}) {
    std::vector<std::vector<float>> sums;
    for (const KernelSet* kernels : AllKernels(Precision::kBfloat16)) {
      PackedMatrix packed(out, in, {2, 8, shared_by}, *kernels);
      packed.Pack({w.data(), out, in, in, 1});
      std::vector<std::byte> tile(static_cast<size_t>(in * kTile * 2));
      kernels->tile_of_rows(x.data(), in, kTile, in, tile.data());
      sums.emplace_back(static_cast<size_t>(out * kTile));
      packed.Multiply(tile.data(), sums.back().data(), [](int64_t, const float*) {});
    }
    for (const auto& other : sums) EXPECT_EQ(other, sums[0]);
  }
}

}  // namespace
}  // namespace millrace::sparse
