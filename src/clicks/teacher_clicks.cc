#include "clicks/teacher_clicks.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "clicks/click_datasets.h"
#include "clicks/click_fields.h"
#include "millrace/core/status.h"

namespace millrace::clicks {
namespace {

// What is drawn from which stream of the seed.
constexpr uint64_t kTeacherStream = uint64_t{1} << 62, kSampleStream = uint64_t{1} << 63;
constexpr int64_t kFirstHeldOut = int64_t{1} << 40;
constexpr int64_t kMaxIds =
    std::accumulate(TeacherClicks::kBag.begin(), TeacherClicks::kBag.end(), int64_t{0});

DatasetSpec TeacherSpec() {
  std::vector<IdFeature> features;
  for (size_t t = 0; t < TeacherClicks::kRows.size(); ++t) {
    features.push_back({.name = "feature_" + std::to_string(t),
                        .rows = TeacherClicks::kRows[t],
                        .max_length = TeacherClicks::kBag[t]});
  }
  return ClickSpec(TeacherClicks::kDenseFeatures, std::move(features));
}

}  // namespace

TeacherClicks::TeacherClicks(uint64_t seed, DatasetSplit split)
    : seed_(seed),
      first_(split == DatasetSplit::kHeldOut ? kFirstHeldOut : 0),
      spec_(TeacherSpec()) {
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

Rng TeacherClicks::RngOf(int64_t i) const {
  return Rng(seed_, kSampleStream + static_cast<uint64_t>(first_ + i));
}

double TeacherClicks::Draw(Rng& rng, const Sample& sample) const {
  double logit = -1.2;
  for (size_t j = 0; j < weights_.size(); ++j) {
    sample.dense[j] = static_cast<float>(rng.Normal());
    logit += 0.15 * weights_[j] * sample.dense[j];
  }
  // The products of all pairs are half of what the square of the sum is more than the squares.
  std::array<double, kFactors> sums{};
  double squares = 0;
  auto id = sample.ids.begin();
  for (size_t t = 0; t < kRows.size(); ++t) {
    std::array<double, kFactors> bag{};
    for (int32_t n = 0; n < kBag[t]; ++n, ++id) {
      *id = ids_[t].Draw(rng);
      const Hidden& hidden = hidden_[t][static_cast<size_t>(*id)];
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
  return 1 / (1 + std::exp(-logit));
}

absl::Status TeacherClicks::Read(int64_t first, int64_t count, std::span<const TensorView> fields) {
  const ClickWriter writer(spec_, fields);
  for (int64_t i = 0; i < count; ++i) {
    Rng rng = RngOf(first + i);
    const double probability = Draw(rng, {writer.dense(i), writer.ids(i)});
    std::ranges::copy(kBag, writer.counts(i).begin());
    writer.label(i) = rng.Uniform() < probability ? 1.0F : 0.0F;
  }
  return absl::OkStatus();
}

double TeacherClicks::Probability(int64_t i) const {
  std::array<float, kDenseFeatures> dense;
  std::array<int64_t, kMaxIds> ids;
  Rng rng = RngOf(i);
  return Draw(rng, {dense, ids});
}

absl::StatusOr<std::unique_ptr<Dataset>> MakeTeacherClicks(const Options& options,
                                                           DatasetSplit split) {
  const int64_t seed = options.GetInt("seed", int64_t{TeacherClicks::kSeed}, 0, INT64_MAX);
  MILLRACE_RETURN_IF_ERROR(options.Finish("dataset teacher_clicks"));
  return std::make_unique<TeacherClicks>(static_cast<uint64_t>(seed), split);
}

}  // namespace millrace::clicks
