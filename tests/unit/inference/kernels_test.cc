#include "inference/kernels.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "inference/packed_layer.h"
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

INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, Kernels, testing::ValuesIn(SetsOfThisProcessor()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace millrace::kernels
