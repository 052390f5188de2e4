#include "clicks/random_clicks.h"

#include <algorithm>
#include <string>

#include "clicks/click_datasets.h"
#include "clicks/click_fields.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"

namespace millrace::clicks {
namespace {

constexpr uint64_t kHeldOutStream = uint64_t{1} << 40;

DatasetSpec RandomSpec(const RandomClicksOptions& options) {
  std::vector<IdFeature> features;
  for (int64_t f = 0; f < options.features; ++f) {
    features.push_back(
        {.name = "feature_" + std::to_string(f), .rows = options.rows, .max_length = options.bag});
  }
  return ClickSpec(options.dense, std::move(features));
}

}  // namespace

RandomClicks::RandomClicks(const RandomClicksOptions& options, DatasetSplit split)
    : options_(options),
      stream_(split == DatasetSplit::kHeldOut ? kHeldOutStream : 0),
      spec_(RandomSpec(options)) {}

absl::Status RandomClicks::Read(int64_t first, int64_t count, std::span<const TensorView> fields) {
  const ClickWriter writer(spec_, fields);
  const auto below = [](Rng& rng, int64_t end) {
    return static_cast<int64_t>(rng.Below(static_cast<uint64_t>(end)));
  };
  for (int64_t i = 0; i < count; ++i) {
    Rng rng(options_.seed, stream_ + static_cast<uint64_t>(first + i));
    for (float& x : writer.dense(i)) x = static_cast<float>(rng.Uniform());
    const auto ids = writer.ids(i);
    auto next = ids.begin();
    for (int32_t& listed : writer.counts(i)) {
      const int64_t draws = options_.fixed_bag ? options_.bag : 1 + below(rng, options_.bag);
      const auto begin = next;
      for (int64_t n = 0; n < draws; ++n) *next++ = below(rng, options_.rows);
      std::sort(begin, next);
      next = std::unique(begin, next);
      listed = static_cast<int32_t>(next - begin);
    }
    std::fill(next, ids.end(), 0);
    writer.label(i) = rng.Below(2) == 0 ? 0.0F : 1.0F;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Dataset>> MakeRandomClicks(const Options& options,
                                                          DatasetSplit split) {
  RandomClicksOptions made;
  made.features = options.GetInt("features", made.features, 1, 100'000);
  made.rows = options.GetInt("rows", made.rows, 1, int64_t{1} << 40);
  made.bag = options.GetInt("bag", made.bag, 1, 10'000);
  made.fixed_bag = options.GetBool("fixed_bag", made.fixed_bag);
  made.dense = options.GetInt("dense", made.dense, 1, 100'000);
  made.seed = static_cast<uint64_t>(options.GetInt("seed", 1, 0, INT64_MAX));
  MILLRACE_RETURN_IF_ERROR(options.Finish("dataset random_clicks"));
  return std::make_unique<RandomClicks>(made, split);
}

}  // namespace millrace::clicks
