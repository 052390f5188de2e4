#include "embedding/embedding_bags.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/fnv1a.h"
#include "embedding/kernel_choice.h"
#include "millrace/core/status.h"

namespace millrace::embedding {
namespace {

// What a thread does at a time.
constexpr int64_t kSamplesAtOnce = 256;
constexpr size_t kLookupsAtOnce = 4096;

}  // namespace

absl::Status CheckLengths(const JaggedIds& batch, std::span<const Feature> features) {
  const int64_t lengths = batch.samples * std::ssize(features);
  if (batch.samples < 0 || std::ssize(batch.lengths) != lengths) {
    return absl::InvalidArgumentError(absl::StrCat("jagged ids: expected ", features.size(), " x ",
                                                   batch.samples, " lengths, got ",
                                                   batch.lengths.size()));
  }
  int64_t ids = 0;
  for (int64_t i = 0; i < lengths; ++i) {
    const int32_t length = batch.lengths[static_cast<size_t>(i)];
    if (length < 0) {
      const auto& feature = features[static_cast<size_t>(i / batch.samples)];
      return absl::InvalidArgumentError(absl::StrCat("feature ", feature.name, ", sample ",
                                                     i % batch.samples, ": length ", length));
    }
    ids += length;
  }
  if (ids == std::ssize(batch.ids)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "jagged ids: expected ", ids, " ids, the sum of the lengths, got ", batch.ids.size()));
}

absl::Status CheckTables(std::span<const Feature> features, int64_t tables) {
  for (const Feature& feature : features) {
    if (feature.table >= 0 && feature.table < tables) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("feature ", feature.name, ": table ", feature.table, " of ", tables));
  }
  return absl::OkStatus();
}

void DivideMeans(std::span<const Feature> features, std::span<const int64_t> offsets, int64_t width,
                 std::span<const int32_t> lengths, int64_t samples, float* numbers) {
  for (size_t f = 0; f < features.size(); ++f) {
    if (features[f].pooling != Pooling::kMean) continue;
    const int64_t columns = (f + 1 < features.size() ? offsets[f + 1] : width) - offsets[f];
    const auto of_feature = lengths.subspan(f * static_cast<size_t>(samples));
    for (int64_t sample = 0; sample < samples; ++sample) {
      const int32_t length = of_feature[static_cast<size_t>(sample)];
      float* const of_bag = numbers + sample * width + offsets[f];
      for (int64_t c = 0; length > 1 && c < columns; ++c) of_bag[c] /= static_cast<float>(length);
    }
  }
}

EmbeddingBags::EmbeddingBags(std::vector<EmbeddingTable> tables, std::vector<Feature> features,
                             int threads)
    : tables_(std::move(tables)),
      features_(std::move(features)),
      team_(threads),
      lookups_(tables_.size()) {
  for (const Feature& feature : features_) {
    offsets_.push_back(width_);
    width_ += PadColumns(tables_[static_cast<size_t>(feature.table)].shard().columns);
  }
}

absl::StatusOr<std::unique_ptr<EmbeddingBags>> EmbeddingBags::Create(
    std::vector<EmbeddingTable> tables, std::vector<Feature> features, int threads) {
  MILLRACE_RETURN_IF_ERROR(CheckTables(features, std::ssize(tables)));
  return std::unique_ptr<EmbeddingBags>(
      new EmbeddingBags(std::move(tables), std::move(features), threads));
}

absl::Status EmbeddingBags::SetBatch(const JaggedIds& batch) {
  samples_ = 0;
  sorted_ = false;
  MILLRACE_RETURN_IF_ERROR(CheckLengths(batch, features_));
  places_.resize(batch.ids.size());
  first_places_.assign(1, 0);
  for (size_t f = 0; f < features_.size(); ++f) {
    const auto lengths = batch.LengthsOf(static_cast<int64_t>(f));
    const auto first = static_cast<size_t>(first_places_.back());
    const auto count = std::accumulate(lengths.begin(), lengths.end(), size_t{0});
    const absl::Status status = tables_[static_cast<size_t>(features_[f].table)].PlacesOf(
        batch.ids.subspan(first, count), std::span(places_).subspan(first, count));
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("feature ", features_[f].name, ": ", status.message()));
    }
    first_places_.push_back(static_cast<int64_t>(first + count));
  }
  lengths_.assign(batch.lengths.begin(), batch.lengths.end());
  samples_ = batch.samples;
  return absl::OkStatus();
}

void EmbeddingBags::SetPlaces(std::span<const int32_t> lengths, std::span<const uint32_t> places,
                              int64_t samples) {
  lengths_.assign(lengths.begin(), lengths.end());
  places_.assign(places.begin(), places.end());
  samples_ = samples;
  sorted_ = false;
  first_places_.assign(1, 0);
  for (int64_t f = 0; f < std::ssize(features_); ++f) {
    first_places_.push_back(first_places_.back() + Lookups(f, {0, samples}));
  }
}

int64_t EmbeddingBags::Lookups(int64_t feature, Range samples) const {
  const int32_t* const lengths = lengths_.data() + feature * samples_;
  return std::accumulate(lengths + samples.begin, lengths + samples.end, int64_t{0});
}

int64_t EmbeddingBags::FirstLookup(int64_t feature, int64_t sample) const {
  return first_places_[static_cast<size_t>(feature)] + Lookups(feature, {0, sample});
}

void EmbeddingBags::Forward(Range features, Range samples, float* out, int64_t stride) {
  const int64_t parts = (samples.end - samples.begin + kSamplesAtOnce - 1) / kSamplesAtOnce;
  if (features.begin == features.end || parts == 0) return;
  // Table after table: rows of few of them fit into what translates addresses.
  team_.Run(parts * (features.end - features.begin), [&](int64_t task, int) {
    const int64_t f = features.begin + task / parts;
    const Feature& feature = features_[static_cast<size_t>(f)];
    const int64_t skipped = task % parts * kSamplesAtOnce;
    const int64_t begin = samples.begin + skipped;
    const int64_t column = offset(f) - offset(features.begin);
    BestKernels().pool(
        tables_[static_cast<size_t>(feature.table)].rows(), places_.data() + FirstLookup(f, begin),
        lengths_.data() + f * samples_ + begin, std::min(kSamplesAtOnce, samples.end - begin),
        feature.pooling, out + skipped * stride + column, stride);
  });
}

void EmbeddingBags::Gather(int64_t feature, Range samples, float* rows) {
  const Rows& table =
      tables_[static_cast<size_t>(features_[static_cast<size_t>(feature)].table)].rows();
  const int64_t count = Lookups(feature, samples);
  const std::vector<int32_t> ones(static_cast<size_t>(count), 1);
  BestKernels().pool(table, places_.data() + FirstLookup(feature, samples.begin), ones.data(),
                     count, Pooling::kSum, rows, PadColumns(table.columns));
}

void EmbeddingBags::SortLookups() {
  if (std::exchange(sorted_, true)) return;
  team_.Run(std::ssize(tables_),
            [&](int64_t table, int) { SortLookups(static_cast<size_t>(table)); });
}

void EmbeddingBags::SortLookups(size_t table) {
  TableLookups& lookups = lookups_[table];
  lookups.all.clear();
  for (size_t f = 0; f < features_.size(); ++f) {
    if (features_[f].table != static_cast<int>(table)) continue;
    const uint32_t* place = places_.data() + first_places_[f];
    const int32_t* const lengths = lengths_.data() + static_cast<int64_t>(f) * samples_;
    for (int64_t sample = 0; sample < samples_; ++sample) {
      const auto gradient = static_cast<uint32_t>((sample * width_ + offsets_[f]) / kColumnUnit);
      for (int32_t i = 0; i < lengths[sample]; ++i) lookups.all.push_back({*place++, gradient});
    }
  }
  lookups.sorted = lookups.sort.Sort(lookups.all, tables_[table].shard().rows);
}

std::vector<EmbeddingBags::Part> EmbeddingBags::Parts() const {
  std::vector<Part> parts;
  for (size_t table = 0; table < lookups_.size(); ++table) {
    const std::span<const Lookup> sorted = lookups_[table].sorted;
    size_t rows = 0;
    for (size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
      const size_t first_row = rows;
      for (; end < sorted.size(); ++end) {
        const bool another = end == begin || sorted[end].place != sorted[end - 1].place;
        if (another && end >= begin + kLookupsAtOnce) break;
        rows += another ? 1 : 0;
      }
      parts.push_back({table, sorted.subspan(begin, end - begin), first_row});
    }
  }
  return parts;
}

const float* EmbeddingBags::SumGradients(const float* gradients) {
  const auto is_mean = [](const Feature& feature) { return feature.pooling == Pooling::kMean; };
  if (std::ranges::none_of(features_, is_mean)) return gradients;
  scaled_.assign(gradients, gradients + samples_ * width_);
  DivideMeans(features_, offsets_, width_, lengths_, samples_, scaled_.data());
  return scaled_.data();
}

std::vector<float> EmbeddingBags::Squares(size_t table, const float* gradients) {
  const float* const of_sums = SumGradients(gradients);
  SortLookups();
  const std::span<const Lookup> sorted = lookups_[table].sorted;
  int64_t rows = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    rows += i == 0 || sorted[i].place != sorted[i - 1].place ? 1 : 0;
  }
  const Rows& of_table = tables_[table].rows();
  std::vector<float> squares(static_cast<size_t>(rows * SquareBlocks(of_table.columns)));
  BestKernels().squares(of_table, sorted.data(), std::ssize(sorted), of_sums, squares.data());
  return squares;
}

void EmbeddingBags::Update(const float* gradients, const UpdateStep& step,
                           std::span<const std::vector<float>> squares) {
  if (samples_ == 0) return;
  const float* const of_sums = SumGradients(gradients);
  SortLookups();
  const std::vector<Part> parts = Parts();
  team_.Run(std::ssize(parts), [&](int64_t i, int) {
    const Part& part = parts[static_cast<size_t>(i)];
    const EmbeddingTable& table = tables_[part.table];
    UpdateStep of_table = step;
    of_table.optimizer = table.options().optimizer;
    Fnv1a key;
    key.Add(uint64_t{step.rounding_key});
    key.Add(std::string_view(table.options().name));
    of_table.rounding_key = static_cast<uint32_t>(key.state() >> 32);
    const bool given = !squares.empty() && !squares[part.table].empty();
    BestKernels().update(table.rows(), of_table, part.lookups.data(), std::ssize(part.lookups),
                         of_sums, given ? squares[part.table].data() + part.first_row : nullptr);
  });
}

}  // namespace millrace::embedding
