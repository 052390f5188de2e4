#include "clicks/random_clicks.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "clicks/click_datasets.h"
#include "clicks/click_fields.h"
#include "config/place.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"

namespace millrace::clicks {
namespace {

constexpr int64_t kFeatures = 26, kMostFeatures = 100'000;
constexpr int64_t kRows = 200'000, kMostRows = int64_t{1} << 40;
constexpr int64_t kBag = 10, kLongestBag = 10'000;
constexpr uint64_t kHeldOutStream = uint64_t{1} << 40;

DatasetSpec RandomSpec(const RandomClicksOptions& options) {
  std::vector<IdFeature> features;
  for (size_t f = 0; f < options.rows.size(); ++f) {
    features.push_back({.name = "feature_" + std::to_string(f),
                        .rows = options.rows[f],
                        .max_length = options.bags[f]});
  }
  return ClickSpec(options.dense, std::move(features));
}

// One number for all features, or a list with one of each.
absl::StatusOr<std::vector<int64_t>> NumbersOf(const Options& options, const char* key,
                                               int64_t features, int64_t fallback, int64_t most) {
  const auto found = options.values().find(key);
  if (found == options.values().end() || !found->second.is_list) {
    const int64_t number = options.GetInt(key, fallback, 1, most);
    return std::vector<int64_t>(static_cast<size_t>(features), number);
  }
  std::vector<int64_t> numbers;
  for (const double number : options.GetDoubles(key, {})) {
    const bool fits =
        number >= 1 && number <= static_cast<double>(most) && number == std::floor(number);
    numbers.push_back(fits ? std::llround(number) : 0);
  }
  if (std::ssize(numbers) == features && std::ranges::find(numbers, 0) == numbers.end()) {
    return numbers;
  }
  const std::string path = found->second.path.empty() ? key : found->second.path;
  return absl::InvalidArgumentError(absl::StrCat(Subject(found->second.where, path), ": expected ",
                                                 features, " numbers from 1 to ", most,
                                                 ", one for each feature"));
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
    for (size_t f = 0; f < options_.rows.size(); ++f) {
      const int64_t bag = options_.bags[f];
      const int64_t draws = options_.fixed_bag ? bag : 1 + below(rng, bag);
      const auto begin = next;
      for (int64_t n = 0; n < draws; ++n) *next++ = below(rng, options_.rows[f]);
      std::sort(begin, next);
      next = std::unique(begin, next);
      writer.counts(i)[f] = static_cast<int32_t>(next - begin);
    }
    std::fill(next, ids.end(), 0);
    writer.label(i) = rng.Below(2) == 0 ? 0.0F : 1.0F;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Dataset>> MakeRandomClicks(const Options& options,
                                                          DatasetSplit split) {
  RandomClicksOptions made;
  int64_t features = kFeatures;
  for (const char* const key : {"bag", "rows"}) {
    const auto found = options.values().find(key);
    if (found == options.values().end() || found->second.items.empty()) continue;
    if (found->second.is_list) features = std::ssize(found->second.items);
  }
  features = options.GetInt("features", features, 1, kMostFeatures);
  MILLRACE_ASSIGN_OR_RETURN(made.rows, NumbersOf(options, "rows", features, kRows, kMostRows));
  MILLRACE_ASSIGN_OR_RETURN(made.bags, NumbersOf(options, "bag", features, kBag, kLongestBag));
  made.fixed_bag = options.GetBool("fixed_bag", made.fixed_bag);
  made.dense = options.GetInt("dense", made.dense, 1, 100'000);
  made.seed = static_cast<uint64_t>(options.GetInt("seed", 1, 0, INT64_MAX));
  MILLRACE_RETURN_IF_ERROR(options.Finish("dataset random_clicks"));
  return std::make_unique<RandomClicks>(made, split);
}

}  // namespace millrace::clicks
