#include "millrace/data/dataset.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace {

std::vector<Field> SampleFields(const DatasetSpec& spec, Extent extent) {
  std::vector<Field> fields = ObservationFields(spec.observation, extent);
  for (Field label : spec.labels) {
    label.extent = extent;
    fields.push_back(std::move(label));
  }
  return fields;
}

namespace {

absl::Status NotAsSaid(int64_t sample, const std::string& what) {
  return absl::DataLossError(absl::StrCat("sample ", sample, ": ", what));
}

template <typename T>
absl::Status CheckFinite(const TensorView& view, const std::string& name, int64_t first) {
  if (view.dtype != DTypeOf<T>::kValue || view.size() == 0) return absl::OkStatus();
  const auto numbers = view.As<T>();
  const auto wrong = std::ranges::find_if(numbers, [](T number) { return !std::isfinite(number); });
  if (wrong == numbers.end()) return absl::OkStatus();
  const int64_t each = std::ssize(numbers) / view.shape[0];
  return NotAsSaid(first + (wrong - numbers.begin()) / each,
                   absl::StrCat(name, ": expected finite numbers, got ", *wrong));
}

absl::Status CheckIds(const std::vector<IdFeature>& features, const TensorView& all_ids,
                      const TensorView& all_counts, int64_t first) {
  for (int64_t i = 0; i < all_ids.shape[0]; ++i) {
    const auto ids = all_ids[i].As<int64_t>();
    const auto counts = all_counts[i].As<int32_t>();
    size_t next = 0;
    for (size_t f = 0; f < features.size(); ++f) {
      const IdFeature& feature = features[f];
      if (counts[f] < 0 || counts[f] > feature.max_length) {
        return NotAsSaid(first + i, absl::StrCat(feature.name, ": expected 0 to ",
                                                 feature.max_length, " ids, got ", counts[f]));
      }
      for (int32_t n = 0; n < counts[f]; ++n, ++next) {
        if (ids[next] >= 0 && ids[next] < feature.rows) continue;
        return NotAsSaid(first + i, absl::StrCat(feature.name, ": expected ids from 0 to ",
                                                 feature.rows - 1, ", got ", ids[next]));
      }
    }
  }
  return absl::OkStatus();
}

// That samples are as the spec says.
absl::Status Check(const DatasetSpec& spec, int64_t first, std::span<const TensorView> views) {
  const std::vector<Field> fields = SampleFields(spec, Extent::kRows);
  for (size_t f = 0; f < views.size(); ++f) {
    MILLRACE_RETURN_IF_ERROR(CheckFinite<float>(views[f], fields[f].name, first));
    MILLRACE_RETURN_IF_ERROR(CheckFinite<double>(views[f], fields[f].name, first));
  }
  const auto find = [&](std::string_view name) {
    const auto found = std::ranges::find(spec.observation.fields, name, &Field::name);
    return views[static_cast<size_t>(found - spec.observation.fields.begin())];
  };
  if (spec.observation.id_features.empty()) return absl::OkStatus();
  return CheckIds(spec.observation.id_features, find(kIds), find(kIdCounts), first);
}

absl::Status ReadAndCheck(Dataset& dataset, int64_t first, int64_t count,
                          std::span<const TensorView> fields) {
  MILLRACE_RETURN_IF_ERROR(dataset.Read(first, count, fields));
  return Check(dataset.spec(), first, fields);
}

}  // namespace

absl::Status CheckSpec(const DatasetSpec& spec) {
  if (spec.samples < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a number of samples, or 0 for no end, got ", spec.samples));
  }
  MILLRACE_RETURN_IF_ERROR(Schema::Create(SampleFields(spec, Extent::kRows)).status());
  if (spec.observation.id_features.empty()) return absl::OkStatus();
  for (const Field& field : IdFields(spec.observation.id_features)) {
    if (std::ranges::count(spec.observation.fields, field) == 1) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("expected the field \"", field.name, "\" as IdFields() makes it"));
  }
  return absl::OkStatus();
}

absl::Status ReadRound(Dataset& dataset, int64_t first, int64_t count,
                       std::span<const TensorView> fields) {
  const int64_t samples = dataset.spec().samples;
  if (samples == 0) return ReadAndCheck(dataset, first, count, fields);
  for (int64_t done = 0; done < count;) {
    const int64_t begin = (first + done) % samples;
    const int64_t part = std::min(count - done, samples - begin);
    std::vector<std::vector<int64_t>> shapes;
    std::vector<TensorView> views;
    shapes.reserve(fields.size());
    for (const TensorView& field : fields) {
      auto& shape = shapes.emplace_back(field.shape.begin(), field.shape.end());
      shape[0] = part;
      views.push_back({field.dtype, shape, field.data});
      if (count > 0) {
        views.back().data += field.bytes() / static_cast<size_t>(count) * static_cast<size_t>(done);
      }
    }
    MILLRACE_RETURN_IF_ERROR(ReadAndCheck(dataset, begin, part, views));
    done += part;
  }
  return absl::OkStatus();
}

}  // namespace millrace
