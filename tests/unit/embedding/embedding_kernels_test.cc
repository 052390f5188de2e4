#include "embedding/embedding_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>

#include "core/bfloat16.h"
#include "embedding/kernel_choice.h"
#include "millrace/core/rng.h"

namespace millrace::embedding {
namespace {

constexpr RowType kTypes[] = {RowType::kFloat32, RowType::kFloat16, RowType::kBfloat16};

std::vector<float> Normal(int64_t count, uint64_t stream) {
  Rng rng(7, stream);
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& number : numbers) number = static_cast<float>(rng.Normal());
  return numbers;
}

// Rows and their state, of numbers that are drawn.
class Slab {
 public:
  Slab(int64_t count, int64_t columns, RowType type, Optimizer optimizer)
      : row_bytes_((columns * ElementBytes(type) + 63) / 64 * 64),
        data_(static_cast<size_t>(count * row_bytes_ / 64)),
        state_(static_cast<size_t>(count * StateSize(optimizer, columns))),
        rows_{.data = reinterpret_cast<std::byte*>(data_.data()),
              .state = state_.data(),
              .row_bytes = row_bytes_,
              .state_size = StateSize(optimizer, columns),
              .columns = columns,
              .type = type} {
    for (int64_t row = 0; row < count; ++row) {
      AllKernels()[0]->pack(type, Normal(columns, 100 + static_cast<uint64_t>(row)).data(), columns,
                            rows_.data + row * row_bytes_);
    }
  }

  const Rows& rows() const { return rows_; }
  std::vector<float> Row(int64_t row) const {
    std::vector<float> numbers(static_cast<size_t>(rows_.columns));
    AllKernels()[0]->unpack(rows_.type, rows_.data + row * row_bytes_, rows_.columns,
                            numbers.data());
    return numbers;
  }
  const float* StateOf(int64_t row) const { return state_.data() + row * rows_.state_size; }
  bool operator==(const Slab& other) const {
    return std::memcmp(data_.data(), other.data_.data(), data_.size() * sizeof(Line)) == 0 &&
           std::ranges::equal(std::as_bytes(std::span(state_)),
                              std::as_bytes(std::span(other.state_)));
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  const int64_t row_bytes_;
  std::vector<Line> data_;
  std::vector<float> state_;
  const Rows rows_;
};

class EmbeddingKernels : public testing::TestWithParam<const KernelSet*> {
 protected:
  const KernelSet& kernels() const { return *GetParam(); }
};

TEST_P(EmbeddingKernels, BagsAreSumsAndMeansInTheOrderOfTheIds) {
  constexpr int64_t kRows = 40, kBags = 9;
  for (const RowType type : kTypes) {
    for (const int64_t columns : {1, 16, 20, 64, 100, 128, 256, 272, 600}) {
      const Slab slab(kRows, columns, type, Optimizer::kSgd);
      const int32_t lengths[kBags] = {3, 0, 1, 20, 2, 5, 0, 1, 40};
      std::vector<uint32_t> places;
      Rng rng(3, 1);
      for (const int32_t length : lengths) {
        for (int i = 0; i < length; ++i) places.push_back(static_cast<uint32_t>(rng.Below(kRows)));
      }
      for (const Pooling pooling : {Pooling::kSum, Pooling::kMean}) {
        const int64_t padded = PadColumns(columns), stride = padded + 16;
        std::vector<float> out(static_cast<size_t>(kBags * stride), 7.0F);
        kernels().pool(slab.rows(), places.data(), lengths, kBags, pooling, out.data(), stride);
        size_t at = 0;
        for (int64_t bag = 0; bag < kBags; ++bag) {
          std::vector<float> sum(static_cast<size_t>(columns));
          for (int i = 0; i < lengths[bag]; ++i) {
            const auto row = slab.Row(places[at++]);
            for (size_t c = 0; c < sum.size(); ++c) sum[c] += row[c];
          }
          for (int64_t c = 0; c < stride; ++c) {
            float expected = c < columns ? sum[static_cast<size_t>(c)] : 0.0F;
            if (pooling == Pooling::kMean && lengths[bag] > 0) {
              expected /= static_cast<float>(lengths[bag]);
            }
            if (c >= padded) expected = 7.0F;
            ASSERT_EQ(out[static_cast<size_t>(bag * stride + c)], expected)
                << columns << " columns, bag " << bag << ", column " << c;
          }
        }
      }
    }
  }
}

// In float64, as torch::optim's and FBGEMM's.
struct Reference {
  std::vector<double> row, first, second;
  double of_row = 0;

  void Step(const UpdateStep& step, const std::vector<double>& g) {
    double squares = 0;
    for (const double x : g) squares += x * x;
    const double mean = squares / static_cast<double>(g.size());
    if (step.optimizer == Optimizer::kRowwiseAdaGrad) of_row += mean;
    if (step.optimizer == Optimizer::kRowwiseAdam) {
      of_row = step.beta2 * of_row + (1 - step.beta2) * mean;
    }
    for (size_t c = 0; c < g.size(); ++c) {
      double direction = g[c], size = 1;
      switch (step.optimizer) {
        case Optimizer::kSgd:
          break;
        case Optimizer::kAdaGrad:
          first[c] += g[c] * g[c];
          size = std::sqrt(first[c]) + step.epsilon;
          break;
        case Optimizer::kRowwiseAdaGrad:
          size = std::sqrt(of_row) + step.epsilon;
          break;
        case Optimizer::kAdam:
        case Optimizer::kRowwiseAdam: {
          first[c] = step.beta1 * first[c] + (1 - step.beta1) * g[c];
          second[c] = step.beta2 * second[c] + (1 - step.beta2) * g[c] * g[c];
          const double v = step.optimizer == Optimizer::kAdam ? second[c] : of_row;
          direction = first[c] / step.correction1;
          size = std::sqrt(v / step.correction2) + step.epsilon;
        }
      }
      row[c] -= step.learning_rate * direction / size;
    }
  }
};

std::vector<Lookup> SortedLookups(int64_t rows, int64_t bags, int64_t width) {
  std::vector<Lookup> lookups;
  Rng rng(5, 1);
  for (int64_t row = 0; row < rows; ++row) {
    // One of them 10,000 times, some not at all.
    const uint64_t count = row == 3 ? 10'000 : rng.Below(4);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t bag = rng.Below(static_cast<uint64_t>(bags));
      lookups.push_back({static_cast<uint32_t>(row),
                         static_cast<uint32_t>(bag * static_cast<uint64_t>(width / kColumnUnit))});
    }
  }
  return lookups;
}

TEST_P(EmbeddingKernels, UpdatesAreExactAndHaveTheSameBitsAsOfAllSets) {
  constexpr int64_t kRows = 30, kBags = 50;
  for (const Optimizer optimizer :
       {Optimizer::kSgd, Optimizer::kAdaGrad, Optimizer::kRowwiseAdaGrad, Optimizer::kAdam,
        Optimizer::kRowwiseAdam}) {
    for (const int64_t columns : {3, 16, 64, 72, 200}) {
      const int64_t width = PadColumns(columns);
      const auto lookups = SortedLookups(kRows, kBags, width);
      Slab slab(kRows, columns, RowType::kFloat32, optimizer);
      Slab generic(kRows, columns, RowType::kFloat32, optimizer);
      std::vector<Reference> references;
      for (int64_t row = 0; row < kRows; ++row) {
        const auto numbers = slab.Row(row);
        references.push_back({.row = {numbers.begin(), numbers.end()},
                              .first = std::vector<double>(numbers.size()),
                              .second = std::vector<double>(numbers.size())});
      }
      for (int n = 1; n <= 3; ++n) {
        const auto gradients = Normal(kBags * width, static_cast<uint64_t>(n));
        const UpdateStep step = {.optimizer = optimizer,
                                 .learning_rate = 0.1F,
                                 .correction1 = static_cast<float>(1 - std::pow(0.9, n)),
                                 .correction2 = static_cast<float>(1 - std::pow(0.999, n))};
        kernels().update(slab.rows(), step, lookups.data(), std::ssize(lookups), gradients.data(),
                         nullptr);
        AllKernels()[0]->update(generic.rows(), step, lookups.data(), std::ssize(lookups),
                                gradients.data(), nullptr);
        ASSERT_TRUE(slab == generic);
        for (size_t begin = 0, end = 0; begin < lookups.size(); begin = end) {
          std::vector<double> sum(static_cast<size_t>(columns));
          for (; end < lookups.size() && lookups[end].place == lookups[begin].place; ++end) {
            for (size_t c = 0; c < sum.size(); ++c) {
              sum[c] += gradients[lookups[end].gradient * kColumnUnit + c];
            }
          }
          references[lookups[begin].place].Step(step, sum);
        }
      }
      for (int64_t row = 0; row < kRows; ++row) {
        const auto numbers = slab.Row(row);
        double size = 0;
        for (const double x : references[static_cast<size_t>(row)].row) {
          size = std::max(size, std::abs(x));
        }
        for (size_t c = 0; c < numbers.size(); ++c) {
          ASSERT_NEAR(numbers[c], references[static_cast<size_t>(row)].row[c], 1e-6 * (1 + size))
              << "optimizer " << static_cast<int>(optimizer) << ", row " << row << ", column " << c;
        }
      }
    }
  }
}

TEST_P(EmbeddingKernels, HalfNumbersAreRoundedToTheNearest) {
  // Everything that float16 has comes back.
  for (uint32_t bits = 0; bits < 0x7C00; ++bits) {
    for (const uint32_t sign : {0U, 0x8000U}) {
      alignas(64) uint16_t row[32] = {static_cast<uint16_t>(bits | sign)};
      float number = 0;
      kernels().unpack(RowType::kFloat16, reinterpret_cast<std::byte*>(row), 1, &number);
      const double mantissa = bits & 0x3FF;
      const int exponent = static_cast<int>(bits >> 10);
      const double expected =
          exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      ASSERT_EQ(number, static_cast<float>(sign != 0 ? -expected : expected));
      alignas(64) uint16_t packed[32] = {};
      kernels().pack(RowType::kFloat16, &number, 1, reinterpret_cast<std::byte*>(packed));
      ASSERT_EQ(packed[0], row[0]);
    }
  }
  // What is infinite, or no number, stays that.
  alignas(64) uint16_t special[32] = {0x7C00, 0xFC00, 0x7E00};
  float numbers[3] = {};
  kernels().unpack(RowType::kFloat16, reinterpret_cast<std::byte*>(special), 3, numbers);
  EXPECT_EQ(numbers[0], INFINITY);
  EXPECT_EQ(numbers[1], -INFINITY);
  EXPECT_TRUE(std::isnan(numbers[2]));
  for (const RowType type : {RowType::kFloat16, RowType::kBfloat16}) {
    alignas(64) uint16_t row[32] = {};
    const float none = NAN;
    float back = 0;
    kernels().pack(type, &none, 1, reinterpret_cast<std::byte*>(row));
    kernels().unpack(type, reinterpret_cast<std::byte*>(row), 1, &back);
    EXPECT_TRUE(std::isnan(back));
  }
  const struct {
    float number;
    uint16_t half;
  } cases[] = {{1.0F + 0x1p-11F, 0x3C00},                        // a tie, to even
               {1.0F + 0x3p-11F, 0x3C02},                        // another
               {1.0F + 0x1.8p-11F, 0x3C01},                      // above a tie
               {0x1p-25F, 0x0000},                               // half of the smallest
               {0x1.8p-25F, 0x0001},        {70000.0F, 0x7BFF},  // larger than all
               {-INFINITY, 0xFBFF}};
  for (const auto& one : cases) {
    alignas(64) uint16_t packed[32] = {};
    kernels().pack(RowType::kFloat16, &one.number, 1, reinterpret_cast<std::byte*>(packed));
    EXPECT_EQ(packed[0], one.half) << one.number;
  }
  for (const float number : Normal(1000, 1)) {
    alignas(64) uint16_t packed[32] = {};
    kernels().pack(RowType::kBfloat16, &number, 1, reinterpret_cast<std::byte*>(packed));
    ASSERT_EQ(packed[0], ToBfloat16(number));
  }
}

// Steps far below the distance of two numbers move a row by their sum, on average.
TEST_P(EmbeddingKernels, StochasticRoundingIsRightOnAverage) {
  constexpr int64_t kColumns = 256;
  constexpr int kSteps = 400;
  for (const RowType type : {RowType::kFloat16, RowType::kBfloat16}) {
    for (const bool stochastic : {false, true}) {
      Slab slab(1, kColumns, type, Optimizer::kSgd), generic(1, kColumns, type, Optimizer::kSgd);
      const std::vector<float> ones(kColumns, 1.0F), gradients(kColumns, -1.0F);
      for (const Slab* each : {&slab, &generic}) {
        kernels().pack(type, ones.data(), kColumns, each->rows().data);
      }
      const Lookup lookup = {0, 0};
      const float distance = type == RowType::kFloat16 ? 0x1p-10F : 0x1p-7F;
      for (uint32_t n = 0; n < kSteps; ++n) {
        const UpdateStep step = {.optimizer = Optimizer::kSgd,
                                 .learning_rate = distance / 16,
                                 .stochastic_rounding = stochastic,
                                 .rounding_key = n};
        kernels().update(slab.rows(), step, &lookup, 1, gradients.data(), nullptr);
        AllKernels()[0]->update(generic.rows(), step, &lookup, 1, gradients.data(), nullptr);
      }
      ASSERT_TRUE(slab == generic);
      double mean = 0;
      for (const float number : slab.Row(0)) mean += (number - 1) / kColumns;
      const double expected = stochastic ? kSteps * distance / 16.0 : 0;
      // Each column's deviation is at most half a distance a step.
      EXPECT_NEAR(mean, expected, 4 * 0.5 * distance * std::sqrt(kSteps / double{kColumns}) + 1e-9);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, EmbeddingKernels, testing::ValuesIn(AllKernels()),
                         [](const auto& one) { return one.param->name; });

}  // namespace
}  // namespace millrace::embedding
