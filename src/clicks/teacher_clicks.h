// Clicks of which it is known how well they can be told.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "clicks/click_batch.h"
#include "clicks/zipf.h"

namespace millrace::clicks {

// TeacherCTR-8. Sample i is a pure function of the seed and i: 13 dense features, standard normal,
// and 8 features of ids, drawn with Zipf weights of exponent 1.05. A hidden teacher has four
// numbers and a bias of every id, normal, those of a bag added and divided by the square root of
// its size:
//   logit = -1.2 + sum_j 0.15 w_j x_j + 0.5 sum_t bias_t + 0.06 sum_{a < b} v_a . v_b
// How many are clicked, and how well that can be known, depends on what ids the teacher likes. With
// kSeed 29.9 % are clicked, and the best that can be known is an AUC of 0.8235 and a log loss of
// 0.457. Thread-compatible; const calls are safe from many threads.
class TeacherClicks {
 public:
  static constexpr uint64_t kSeed = 30;
  static constexpr int64_t kDense = 13;
  static constexpr std::array<int64_t, 8> kRows = {1'000'000, 200'000, 50'000, 20'000,
                                                   5'000,     1'000,   200,    50};
  static constexpr std::array<int32_t, 8> kBag = {1, 1, 5, 1, 1, 10, 1, 1};  // ids of a sample

  explicit TeacherClicks(uint64_t seed = kSeed);

  // Samples [first, first + count). `probabilities`, if any: [count], of a click.
  void Read(int64_t first, int64_t count, ClickBatch& batch,
            std::vector<float>* probabilities = nullptr) const;

 private:
  static constexpr size_t kFactors = 4;
  struct Hidden {
    std::array<float, kFactors> factors;
    float bias;
  };

  const uint64_t seed_;
  std::array<float, kDense> weights_;        // w
  std::vector<std::vector<Hidden>> hidden_;  // of each feature's ids
  std::vector<Zipf> ids_;                    // of each feature
};

}  // namespace millrace::clicks
