// Clicks of which it is known how well they can be told.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/zipf.h"
#include "millrace/data/dataset.h"

namespace millrace::clicks {

// TeacherCTR-8. Sample i is a pure function of the seed and i: 13 dense features, standard normal,
// and 8 features of ids, drawn with Zipf weights of exponent 1.05. A hidden teacher has four
// numbers and a bias of every id, normal, those of a bag added and divided by the square root of
// its size:
//   logit = -1.2 + sum_j 0.15 w_j x_j + 0.5 sum_t bias_t + 0.06 sum_{a < b} v_a . v_b
// How many are clicked, and how well that can be known, depends on what ids the teacher likes. With
// kSeed 29.9 % are clicked, and the best that can be known is an AUC of 0.8235 and a log loss of
// 0.457. Fields as ClickSpec(). Samples that are held out have other numbers.
class TeacherClicks : public Dataset {
 public:
  static constexpr uint64_t kSeed = 30;
  static constexpr int64_t kDenseFeatures = 13;
  static constexpr std::array<int64_t, 8> kRows = {1'000'000, 200'000, 50'000, 20'000,
                                                   5'000,     1'000,   200,    50};
  static constexpr std::array<int32_t, 8> kBag = {1, 1, 5, 1, 1, 10, 1, 1};  // ids of a sample

  explicit TeacherClicks(uint64_t seed = kSeed, DatasetSplit split = DatasetSplit::kTrain);

  const DatasetSpec& spec() const override { return spec_; }
  absl::Status Read(int64_t first, int64_t count, std::span<const TensorView> fields) override;
  // The probability that sample i is clicked.
  double Probability(int64_t i) const;

 private:
  static constexpr size_t kFactors = 4;
  struct Hidden {
    std::array<float, kFactors> factors;
    float bias;
  };

  struct Sample {
    std::span<float> dense;
    std::span<int64_t> ids;
  };
  // Fills in a sample and returns the probability of a click, which `rng` draws next.
  double Draw(Rng& rng, const Sample& sample) const;
  Rng RngOf(int64_t i) const;

  const uint64_t seed_;
  const int64_t first_;  // of the split
  DatasetSpec spec_;
  std::array<float, kDenseFeatures> weights_;  // w
  std::vector<std::vector<Hidden>> hidden_;    // of each feature's ids
  std::vector<Zipf> ids_;                      // of each feature
};

}  // namespace millrace::clicks
