#include "sparse/product_choice.h"

#include <time.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "millrace/core/rng.h"
#include "sparse/pattern.h"

namespace millrace::sparse {
namespace {

constexpr double kGain = 1.05;
constexpr int kRounds = 7;
constexpr double kRoundSeconds = 5e-4;  // of dense kernels, about

double ThreadSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::vector<float> Random(int64_t size) {
  Rng rng(1, 0);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(rng.Uniform()) - 0.5F;
  return values;
}

double Median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + kRounds / 2);
  return values[kRounds / 2];
}

ProductTimes Measure(const PackedMatrix& matrix) {
  const KernelSet& kernels = matrix.kernels();
  const int64_t outputs = matrix.outputs(), inputs = matrix.inputs();
  const auto w = Random(outputs * inputs), x = Random(kTile * inputs);
  AlignedBuffer<std::byte> tile;
  tile.Reserve(static_cast<size_t>(inputs * kTile * ElementBytes(kernels.precision)));
  kernels.tile_of_rows(x.data(), inputs, kTile, inputs, tile.data());
  AlignedFloats scratch;
  scratch.Reserve(static_cast<size_t>(matrix.padded_outputs() * kTile));

  PackedMatrix arms[2] = {{outputs, inputs, matrix.pattern(), kernels},
                          {outputs, inputs, DensePattern(), kernels}};
  for (PackedMatrix& arm : arms) arm.Pack({w.data(), outputs, inputs, inputs, 1});
  const auto seconds_of = [&](const PackedMatrix& arm, int64_t times) {
    const double begin = ThreadSeconds();
    for (int64_t i = 0; i < times; ++i) {
      arm.Multiply(tile.data(), scratch.data(), [](int64_t, const float*) {});
    }
    return (ThreadSeconds() - begin) / static_cast<double>(times);
  };
  for (const PackedMatrix& arm : arms) seconds_of(arm, 1);
  const double once = seconds_of(arms[1], 1);
  const auto times = static_cast<int64_t>(std::clamp(kRoundSeconds / once, 1.0, 1e4));
  std::vector<double> rounds[2];
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < 2; ++i) rounds[i].push_back(seconds_of(arms[i], times));
  }
  return {.sparse = Median(rounds[0]), .dense = Median(rounds[1])};
}

}  // namespace

ProductTimes TimeProduct(const PackedMatrix& matrix) {
  using Key = std::tuple<const KernelSet*, int64_t, int64_t, int64_t, int64_t, int64_t, bool>;
  static std::mutex mutex;
  static std::map<Key, ProductTimes> known;
  const Pattern& pattern = matrix.pattern();
  const Key key = {&matrix.kernels(), matrix.outputs(),  matrix.inputs(), pattern.kept,
                   pattern.group,     pattern.shared_by, pattern.tiles};
  const std::lock_guard lock(mutex);
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  return known[key] = Measure(matrix);
}

void ChooseProduct(ProductChoice choice, PackedMatrix& matrix) {
  bool as_dense = choice == ProductChoice::kDense;
  if (choice == ProductChoice::kAuto && !IsDense(matrix.pattern())) {
    const ProductTimes times = TimeProduct(matrix);
    as_dense = times.dense < kGain * times.sparse;
  }
  matrix.MultiplyAsDense(as_dense);
}

}  // namespace millrace::sparse
