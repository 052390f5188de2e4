// Clicks that cannot be told from anything: for speed, and to see that nothing leaks.
#pragma once

#include <cstdint>
#include <vector>

#include "millrace/data/dataset.h"

namespace millrace::clicks {

struct RandomClicksOptions {
  // Of each feature: ids there are, and ids of a sample, 1 to so many draws or just so many.
  std::vector<int64_t> rows, bags;
  bool fixed_bag = false;
  int64_t dense = 13;
  uint64_t seed = 1;
};

// The `random` data of DLRM's reference program (Naumov et al. 2019, arXiv:1906.00091): dense
// features uniform in [0, 1), bags of uniform ids, each once and in order, labels 0 or 1 by a coin.
// Fields as ClickSpec().
class RandomClicks : public Dataset {
 public:
  explicit RandomClicks(const RandomClicksOptions& options,
                        DatasetSplit split = DatasetSplit::kTrain);

  const DatasetSpec& spec() const override { return spec_; }
  absl::Status Read(int64_t first, int64_t count, std::span<const TensorView> fields) override;

 private:
  const RandomClicksOptions options_;
  const uint64_t stream_;  // of the split's first sample
  DatasetSpec spec_;
};

}  // namespace millrace::clicks
