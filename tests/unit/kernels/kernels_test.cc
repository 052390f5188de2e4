#include "kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/packed_layer.h"
#include "millrace/core/rng.h"

namespace millrace::kernels {
namespace {

std::vector<const KernelSet*> SetsOfThisProcessor() {
  std::vector<const KernelSet*> sets = {&kGenericKernels};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    sets.push_back(&kAvx2Kernels);
  if (__builtin_cpu_supports("avx512f")) sets.push_back(&kAvx512Kernels);
#endif
  return sets;
}

std::vector<float> Random(size_t size, uint64_t stream) {
  Rng rng(1, stream);
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(rng.Normal());
  return values;
}

class Kernels : public testing::TestWithParam<const KernelSet*> {};

TEST_P(Kernels, DenseEqualsTheSumInDoublePrecision) {
  // 70 outputs are 5 panels: the wide and the narrow tiles both occur.
  constexpr int64_t kRows = 11, kIn = 37, kOut = 70;
  const auto x = Random(kRows * kIn, 1), w = Random(kOut * kIn, 2), b = Random(kOut, 3);
  PackedLayer layer(kIn, kOut);
  layer.Pack(w, b, kOut, kIn);
  std::vector<float> y(kRows * static_cast<size_t>(layer.padded_out()));
  layer.Apply(*GetParam(), x.data(), kIn, kRows, y.data());
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t out = 0; out < kOut; ++out) {
      double expected = b[static_cast<size_t>(out)];
      for (int64_t i = 0; i < kIn; ++i) {
        expected += static_cast<double>(x[static_cast<size_t>(row * kIn + i)]) *
                    w[static_cast<size_t>(out * kIn + i)];
      }
      EXPECT_NEAR(y[static_cast<size_t>(row * layer.padded_out() + out)], expected, 1e-5);
    }
  }
}

TEST_P(Kernels, DenseOverWindowsIsDenseOverTheirCopies) {
  // 11 overlapping windows of 21 inputs, in no order; 70 outputs are 5 panels.
  constexpr int64_t kRows = 11, kIn = 21, kOut = 70;
  const auto x = Random(200, 1), w = Random(kOut * kIn, 2), b = Random(kOut, 3);
  PackedLayer layer(kIn, kOut);
  layer.Pack(w, b, kOut, kIn);
  std::vector<int64_t> offsets, inputs;
  for (int64_t row = 0; row < kRows; ++row) offsets.push_back(row * 23 % 110);
  for (int64_t i = 0; i < kIn; ++i) inputs.push_back(i * 13 % 90);
  std::vector<float> copies;
  for (const int64_t offset : offsets) {
    for (const int64_t input : inputs) copies.push_back(x[static_cast<size_t>(offset + input)]);
  }
  std::vector<float> expected(kRows * static_cast<size_t>(layer.padded_out())), y = expected;
  layer.Apply(*GetParam(), copies.data(), kIn, kRows, expected.data());
  layer.Apply(*GetParam(), {x.data(), offsets.data(), kRows, inputs.data(), kIn}, y.data());
  EXPECT_EQ(y, expected);
}

TEST_P(Kernels, BytesBecomeFloats) {
  std::vector<uint8_t> bytes(301);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7);
  std::vector<float> floats(bytes.size());
  GetParam()->bytes_to_floats(bytes.data(), static_cast<int64_t>(bytes.size()), floats.data());
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(floats[i], bytes[i]);
}

TEST_P(Kernels, ExponentialAndLogarithmAreWithinTwoRoundings) {
  std::vector<float> x;
  for (float v = -80.0F; v < 80.0F; v += 0.01F) x.push_back(v);
  while (x.size() % kPanel != 0) x.push_back(0.0F);
  auto y = x;
  GetParam()->exp(y.data(), static_cast<int64_t>(y.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = std::exp(static_cast<double>(x[i]));
    ASSERT_NEAR(y[i], expected, 3e-7 * expected) << x[i];
  }
  auto back = y;
  GetParam()->log(back.data(), static_cast<int64_t>(back.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = std::log(static_cast<double>(y[i]));
    ASSERT_NEAR(back[i], expected, 3e-7 * std::abs(expected) + 1e-7) << y[i];
  }
}

// The uniform number that a random word stands for.
double UniformOf(uint32_t word) { return ((word >> 9) + 0.5) / (1 << 23); }

std::vector<uint32_t> Words(size_t size) {
  std::vector<uint32_t> words = {0, 0xFFFFFFFF, 1U << 31, 1U << 30, 3U << 30, 0x1FFFFFFF};
  for (uint64_t i = 0; words.size() < size; ++i) words.push_back(Philox(9, 8, i)[0]);
  return words;
}

TEST_P(Kernels, GumbelNumbersAreTwoLogarithmsOfUniformOnes) {
  const auto words = Words(1024);
  std::vector<float> out(words.size());
  GetParam()->gumbel(words.data(), out.data(), static_cast<int64_t>(out.size()));
  for (size_t i = 0; i < words.size(); ++i) {
    const double expected = -std::log(-std::log(UniformOf(words[i])));
    ASSERT_NEAR(out[i], expected, 1e-5) << words[i];
  }
}

TEST_P(Kernels, NormalNumbersAreBoxAndMullers) {
  const auto radii = Words(1024);
  std::vector<uint32_t> angles = radii;
  std::ranges::reverse(angles);
  std::vector<float> cosines(radii.size()), sines(radii.size());
  GetParam()->normals(radii.data(), angles.data(), cosines.data(), sines.data(),
                      static_cast<int64_t>(radii.size()));
  for (size_t i = 0; i < radii.size(); ++i) {
    const double radius = std::sqrt(-2 * std::log(UniformOf(radii[i])));
    const double angle = 2 * std::numbers::pi * UniformOf(angles[i]);
    ASSERT_NEAR(cosines[i], radius * std::cos(angle), 4e-6) << radii[i] << " " << angles[i];
    ASSERT_NEAR(sines[i], radius * std::sin(angle), 4e-6) << radii[i] << " " << angles[i];
  }
}

TEST_P(Kernels, LayerNormIgnoresThePadding) {
  constexpr int64_t kRows = 3, kSize = 48;
  for (const int64_t width : {1, 7, 16, 33, 48}) {
    auto x = Random(kRows * kSize, 1), gain = Random(kSize, 2), bias = Random(kSize, 3);
    for (int64_t i = 0; i < kRows * kSize; ++i) {
      if (i % kSize >= width) x[static_cast<size_t>(i)] = 0;
    }
    std::fill(gain.begin() + width, gain.end(), 0.0F);
    std::fill(bias.begin() + width, bias.end(), 0.0F);
    std::vector<float> y(x.size());
    GetParam()->layer_norm(x.data(), kRows, width, kSize, gain.data(), bias.data(), y.data());
    for (int64_t row = 0; row < kRows; ++row) {
      const auto at = [&](int64_t i) { return static_cast<size_t>(row * kSize + i); };
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < width; ++i) mean += x[at(i)] / static_cast<double>(width);
      for (int64_t i = 0; i < width; ++i) {
        variance += (x[at(i)] - mean) * (x[at(i)] - mean) / static_cast<double>(width);
      }
      for (int64_t i = 0; i < kSize; ++i) {
        const auto column = static_cast<size_t>(i);
        const double expected =
            (x[at(i)] - mean) / std::sqrt(variance + 1e-5) * gain[column] + bias[column];
        EXPECT_NEAR(y[at(i)], i < width ? expected : 0.0, 1e-5) << width;
      }
    }
  }
}

TEST_P(Kernels, SoftmaxColumnsSumToOneAlsoFarFromZero) {
  constexpr int64_t kRows = 5, kSize = 32;
  auto x = Random(kRows * kSize, 1);
  for (size_t i = 0; i < x.size(); ++i) x[i] += i % 2 == 0 ? 300.0F : -300.0F;
  auto y = x;
  GetParam()->softmax_columns(y.data(), kRows, kSize);
  for (size_t column = 0; column < kSize; ++column) {
    double sum = 0;
    for (size_t row = 0; row < kRows; ++row) sum += std::exp(x[row * kSize + column] - x[column]);
    for (size_t row = 0; row < kRows; ++row) {
      const size_t at = row * kSize + column;
      EXPECT_NEAR(y[at], std::exp(x[at] - x[column]) / sum, 1e-6);
    }
  }
}

TEST_P(Kernels, TanhIsWithinAMillionth) {
  std::vector<float> x;
  for (float v = -12.0F; v < 12.0F; v += 1e-3F) x.push_back(v);
  for (float v : {0.0F, 1e-8F, -1e-4F, 88.0F, -200.0F, 1e30F}) x.push_back(v);
  while (x.size() % kPanel != 0) x.push_back(0.0F);
  auto y = x;
  GetParam()->tanh(y.data(), static_cast<int64_t>(y.size()));
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], std::tanh(x[i]), 1e-6) << x[i];
}

TEST_P(Kernels, NotANumberStaysVisible) {
  std::vector<float> x(kPanel, std::numeric_limits<float>::quiet_NaN());
  GetParam()->tanh(x.data(), kPanel);
  EXPECT_TRUE(std::isnan(x[0]));
  x[0] = std::numeric_limits<float>::quiet_NaN();
  GetParam()->relu(x.data(), kPanel);
  EXPECT_TRUE(std::isnan(x[0]));
}

TEST_P(Kernels, LstmCellFollowsTheEquations) {
  const auto gates = Random(4 * kPanel, 4), old_cell = Random(kPanel, 5);
  auto cell = old_cell;
  std::vector<float> hidden(kPanel);
  GetParam()->lstm_cell(gates.data(), kPanel, cell.data(), hidden.data());
  const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  for (size_t i = 0; i < kPanel; ++i) {
    const double next = sigmoid(gates[kPanel + i]) * old_cell[i] +
                        sigmoid(gates[i]) * std::tanh(gates[2 * kPanel + i]);
    EXPECT_NEAR(cell[i], next, 2e-6);
    EXPECT_NEAR(hidden[i], sigmoid(gates[3 * kPanel + i]) * std::tanh(next), 2e-6);
  }
}

TEST_P(Kernels, LstmForwardIsTheCellAndKeepsItsActivations) {
  constexpr int64_t kRows = 3, kSize = 2 * kPanel;
  const auto before = Random(kRows * 4 * kSize, 4), previous = Random(kRows * kSize, 5);
  auto gates = before;
  std::vector<float> cell(kRows * kSize), hidden(kRows * kSize);
  GetParam()->lstm_forward(gates.data(), kRows, kSize, previous.data(), cell.data(), hidden.data());
  const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  for (size_t row = 0; row < kRows; ++row) {
    auto next = std::vector(previous.begin() + row * kSize, previous.begin() + (row + 1) * kSize);
    std::vector<float> output(kSize);
    GetParam()->lstm_cell(before.data() + row * 4 * kSize, kSize, next.data(), output.data());
    for (size_t i = 0; i < kSize; ++i) {
      EXPECT_NEAR(cell[row * kSize + i], next[i], 1e-6);
      EXPECT_NEAR(hidden[row * kSize + i], output[i], 1e-6);
    }
    for (size_t i = 0; i < 4 * kSize; ++i) {
      const size_t at = row * 4 * kSize + i;
      const bool candidate = i / kSize == 2;
      EXPECT_NEAR(gates[at], candidate ? std::tanh(before[at]) : sigmoid(before[at]), 2e-6);
    }
  }
}

// The sum of hidden * by_hidden + cell * by_cell after one step of one unit, in double precision.
double WeighedLstmUnit(const double (&gate)[4], double previous, double by_hidden, double by_cell) {
  const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  const double cell = sigmoid(gate[1]) * previous + sigmoid(gate[0]) * std::tanh(gate[2]);
  return sigmoid(gate[3]) * std::tanh(cell) * by_hidden + cell * by_cell;
}

TEST_P(Kernels, LstmBackwardAgreesWithFiniteDifferences) {
  constexpr int64_t kRows = 3, kSize = 2 * kPanel;
  const auto before = Random(kRows * 4 * kSize, 4), previous = Random(kRows * kSize, 5);
  const auto by_hidden = Random(kRows * kSize, 6), by_cell = Random(kRows * kSize, 7);
  auto gates = before, by_previous = by_cell;
  std::vector<float> cell(kRows * kSize), hidden(kRows * kSize);
  GetParam()->lstm_forward(gates.data(), kRows, kSize, previous.data(), cell.data(), hidden.data());
  GetParam()->lstm_backward(gates.data(), kRows, kSize, previous.data(), cell.data(),
                            by_hidden.data(), by_previous.data());
  constexpr double kStep = 1e-5;
  for (size_t at = 0; at < kRows * kSize; ++at) {
    const size_t first_gate = at / kSize * 4 * kSize + at % kSize;
    double gate[4];
    for (size_t g = 0; g < 4; ++g) gate[g] = before[first_gate + g * kSize];
    const auto difference = [&](double& input, const double& old) {
      const double centre = input;
      input = centre + kStep;
      const double above = WeighedLstmUnit(gate, old, by_hidden[at], by_cell[at]);
      input = centre - kStep;
      const double below = WeighedLstmUnit(gate, old, by_hidden[at], by_cell[at]);
      input = centre;
      return (above - below) / (2 * kStep);
    };
    double old = previous[at];
    for (size_t g = 0; g < 4; ++g) {
      EXPECT_NEAR(gates[first_gate + g * kSize], difference(gate[g], old), 5e-6) << g;
    }
    EXPECT_NEAR(by_previous[at], difference(old, old), 5e-6);
  }
}

TEST_P(Kernels, ProductEqualsTheSumInDoublePrecisionBothWaysRound) {
  constexpr int64_t kRows = 13, kColumns = 5 * kPanel;
  for (const int64_t depth : {29, 600}) {
    const auto a = Random(static_cast<size_t>(kRows * depth), 6);
    const auto b = Random(static_cast<size_t>(depth * kColumns), 7);
    const auto start = Random(kRows * kColumns, 8);
    for (const bool transposed : {false, true}) {
      const Matrix view = transposed ? Matrix{a.data(), 1, kRows} : Matrix{a.data(), depth, 1};
      for (const float* begin : {static_cast<const float*>(nullptr), start.data()}) {
        std::vector<float> c(kRows * kColumns);
        GetParam()->product(view, kRows, depth, b.data(), kColumns, begin, kColumns, 5, c.data(),
                            kColumns);
        for (int64_t r = 0; r < kRows; ++r) {
          for (int64_t n = 0; n < kColumns; ++n) {
            const auto at = static_cast<size_t>(r * kColumns + n);
            double expected = begin == nullptr ? 0.0 : begin[at];
            for (int64_t k = 0; k < depth; ++k) {
              expected += static_cast<double>(view.data[r * view.row + k * view.depth]) *
                          b[static_cast<size_t>(k * kColumns + n)];
            }
            EXPECT_NEAR(c[at], expected, 6.8e-7 * static_cast<double>(depth));
          }
        }
      }
    }
  }
}

TEST_P(Kernels, SumsAreThoseOfTheColumnsAndOfTheSquares) {
  constexpr int64_t kRows = 7, kSize = kRows * 2 * kPanel;
  const auto x = Random(kSize, 9);
  std::vector<float> sums(2 * kPanel);
  GetParam()->column_sums(x.data(), 2 * kPanel, kRows, 2, sums.data());
  double squares = 0;
  for (float value : x) squares += static_cast<double>(value) * value;
  for (size_t n = 0; n < sums.size(); ++n) {
    double expected = 0;
    for (size_t r = 0; r < kRows; ++r) expected += x[r * sums.size() + n];
    EXPECT_NEAR(sums[n], expected, 1e-5);
  }
  EXPECT_NEAR(GetParam()->squared_norm(x.data(), kSize), squares, 1e-4);
}

TEST_P(Kernels, ActivationGradientsFollowTheirDerivatives) {
  const auto y = Random(2 * kPanel, 10), g = Random(2 * kPanel, 11);
  auto by_tanh = g, by_relu = g;
  GetParam()->tanh_backward(y.data(), by_tanh.data(), 2 * kPanel);
  GetParam()->relu_backward(y.data(), by_relu.data(), 2 * kPanel);
  for (size_t i = 0; i < g.size(); ++i) {
    EXPECT_NEAR(by_tanh[i], g[i] * (1 - y[i] * y[i]), 1e-6);
    EXPECT_EQ(by_relu[i], y[i] > 0 ? g[i] : 0.0F);
  }
}

TEST_P(Kernels, AdamFollowsTheAlgorithm) {
  const auto g = Random(kPanel, 12), start = Random(kPanel, 13);
  auto parameter = start;
  std::vector<float> mean(kPanel, 0.1F), variance(kPanel, 0.2F);
  const AdamStep step{.scale = 0.5F,
                      .weight_decay = 0.01F,
                      .step_size = 0.03F,
                      .inverse_sqrt_correction2 = 1.5F,
                      .epsilon = 1e-5F};
  GetParam()->adam(step, g.data(), parameter.data(), mean.data(), variance.data(), kPanel);
  for (size_t i = 0; i < g.size(); ++i) {
    const double gradient = 0.5 * g[i] + 0.01 * start[i];
    const double m = 0.9 * 0.1 + 0.1 * gradient, v = 0.999 * 0.2 + 0.001 * gradient * gradient;
    EXPECT_NEAR(mean[i], m, 1e-6);
    EXPECT_NEAR(variance[i], v, 1e-6);
    EXPECT_NEAR(parameter[i], start[i] - 0.03 * m / (std::sqrt(v) * 1.5 + 1e-5), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, Kernels, testing::ValuesIn(SetsOfThisProcessor()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace millrace::kernels
