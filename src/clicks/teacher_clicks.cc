#include "clicks/teacher_clicks.h"

#include <cmath>
#include <numeric>

namespace millrace::clicks {
namespace {

// What is drawn from which stream of the seed.
constexpr uint64_t kTeacherStream = uint64_t{1} << 62, kSampleStream = uint64_t{1} << 63;

}  // namespace

TeacherClicks::TeacherClicks(uint64_t seed) : seed_(seed) {
  Rng rng(seed, kTeacherStream);
  for (float& weight : weights_) weight = static_cast<float>(rng.Normal());
  for (size_t t = 0; t < kRows.size(); ++t) {
    Rng of_table(seed, kTeacherStream + 1 + t);
    const double scale = 1 / std::sqrt(static_cast<double>(kBag[t]));
    const auto draw = [&] { return static_cast<float>(scale * of_table.Normal()); };
    auto& hidden = hidden_.emplace_back(static_cast<size_t>(kRows[t]));
    for (Hidden& one : hidden) {
      for (float& factor : one.factors) factor = draw();
      one.bias = draw();
    }
    ids_.emplace_back(kRows[t], 1.05);
  }
}

void TeacherClicks::Read(int64_t first, int64_t count, ClickBatch& batch,
                         std::vector<float>* probabilities) const {
  constexpr int64_t kIds = std::accumulate(kBag.begin(), kBag.end(), int64_t{0});
  const auto samples = static_cast<size_t>(count);
  batch.samples = count;
  batch.dense.resize(samples * kDense);
  batch.ids.resize(samples * kIds);
  batch.labels.resize(samples);
  batch.lengths.clear();
  for (const int32_t size : kBag) batch.lengths.insert(batch.lengths.end(), samples, size);
  if (probabilities != nullptr) probabilities->resize(samples);
  for (size_t i = 0; i < samples; ++i) {
    Rng rng(seed_, kSampleStream + static_cast<uint64_t>(first) + i);
    double logit = -1.2;
    for (size_t j = 0; j < kDense; ++j) {
      const auto x = static_cast<float>(rng.Normal());
      batch.dense[i * kDense + j] = x;
      logit += 0.15 * weights_[j] * x;
    }
    // The products of all pairs are half of what the square of the sum is more than the squares.
    std::array<double, kFactors> sums{};
    double squares = 0;
    int64_t* ids = batch.ids.data();
    for (size_t t = 0; t < kRows.size(); ids += samples * static_cast<size_t>(kBag[t]), ++t) {
      std::array<double, kFactors> bag{};
      for (int32_t n = 0; n < kBag[t]; ++n) {
        const int64_t id = ids_[t].Draw(rng);
        ids[i * static_cast<size_t>(kBag[t]) + static_cast<size_t>(n)] = id;
        const Hidden& hidden = hidden_[t][static_cast<size_t>(id)];
        for (size_t f = 0; f < kFactors; ++f) bag[f] += hidden.factors[f];
        logit += 0.5 * hidden.bias;
      }
      for (size_t f = 0; f < kFactors; ++f) {
        sums[f] += bag[f];
        squares += bag[f] * bag[f];
      }
    }
    double pairs = -squares;
    for (const double sum : sums) pairs += sum * sum;
    logit += 0.06 * pairs / 2;
    const double probability = 1 / (1 + std::exp(-logit));
    batch.labels[i] = rng.Uniform() < probability ? 1.0F : 0.0F;
    if (probabilities != nullptr) (*probabilities)[i] = static_cast<float>(probability);
  }
}

}  // namespace millrace::clicks
