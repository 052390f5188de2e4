// The fields of a click log's sample: what was shown to whom, and whether it was clicked.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "millrace/data/dataset.h"

namespace millrace::clicks {

inline constexpr char kDense[] = "dense";

// Observations `dense` float32 [dense], `ids` and `id_counts`; label `label`, 1 if clicked, else 0.
inline DatasetSpec ClickSpec(int64_t dense, std::vector<IdFeature> features) {
  DatasetSpec spec;
  spec.observation.fields = {{kDense, DType::kFloat32, {dense}, Extent::kRows}};
  for (Field& field : IdFields(features)) spec.observation.fields.push_back(std::move(field));
  spec.observation.id_features = std::move(features);
  spec.labels = {{kLabel, DType::kFloat32, {}, Extent::kRows}};
  return spec;
}

// Where samples of such a dataset are written, sample by sample.
class ClickWriter {
 public:
  // `fields`: as Dataset::Read() has them.
  ClickWriter(const DatasetSpec& spec, std::span<const TensorView> fields)
      : dense_(fields[0].As<float>().data()),
        ids_(fields[1].As<int64_t>().data()),
        counts_(fields[2].As<int32_t>().data()),
        labels_(fields[3].As<float>().data()),
        num_dense_(spec.observation.fields[0].shape[0]),
        max_ids_(spec.observation.fields[1].shape[0]),
        features_(spec.observation.fields[2].shape[0]) {}

  // Of sample i of the views.
  std::span<float> dense(int64_t i) const { return Row(dense_, i, num_dense_); }
  std::span<int64_t> ids(int64_t i) const { return Row(ids_, i, max_ids_); }
  std::span<int32_t> counts(int64_t i) const { return Row(counts_, i, features_); }
  float& label(int64_t i) const { return labels_[i]; }

 private:
  template <typename T>
  static std::span<T> Row(T* rows, int64_t i, int64_t size) {
    return {rows + i * size, static_cast<size_t>(size)};
  }

  float* const dense_;
  int64_t* const ids_;
  int32_t* const counts_;
  float* const labels_;
  const int64_t num_dense_, max_ids_, features_;
};

}  // namespace millrace::clicks
