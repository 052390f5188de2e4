#include "inference/feature_reader.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "inference/normalization.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

template <typename T>
void CopyColumns(const std::byte* from, int64_t rows, int64_t width, float* to, int64_t stride) {
  const T* source = reinterpret_cast<const T*>(from);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < width; ++i) {
      to[row * stride + i] = static_cast<float>(source[row * width + i]);
    }
  }
}

void CopyField(const TensorView& view, int64_t rows, int64_t width, float* to, int64_t stride) {
  switch (view.dtype) {
    case DType::kFloat32:
      return CopyColumns<float>(view.data, rows, width, to, stride);
    case DType::kFloat64:
      return CopyColumns<double>(view.data, rows, width, to, stride);
    case DType::kInt32:
      return CopyColumns<int32_t>(view.data, rows, width, to, stride);
    case DType::kInt64:
      return CopyColumns<int64_t>(view.data, rows, width, to, stride);
    case DType::kUInt8:
      return CopyColumns<uint8_t>(view.data, rows, width, to, stride);
  }
}

}  // namespace

FeatureReader::FeatureReader(const ModelSpec& spec)
    : fields_(spec.observation.fields), num_features_(spec.num_features()) {
  for (const Field& field : fields_) is_feature_.push_back(spec.IsFeature(field));
  pass_through_ = fields_.size() == 1 && fields_[0].dtype == DType::kFloat32 && is_feature_[0] &&
                  !spec.normalize_observation;
}

void FeatureReader::SetNormalizer(std::span<const float> mean, std::span<const float> variance) {
  mean_.assign(mean.begin(), mean.end());
  scale_.resize(variance.size());
  std::transform(variance.begin(), variance.end(), scale_.begin(),
                 [](float v) { return 1.0F / std::sqrt(v + kNormalizerEpsilon); });
}

absl::Status FeatureReader::Check(int rows, std::span<const TensorView> observation) const {
  if (observation.size() != fields_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("observation: expected ", fields_.size(),
                                                   " fields, got ", observation.size()));
  }
  for (size_t i = 0; i < fields_.size(); ++i) {
    const int64_t expected = rows * NumElements(fields_[i].shape);
    if (observation[i].dtype == fields_[i].dtype && observation[i].size() >= expected) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(ObservationField(fields_[i].name), ": expected ", expected, " elements of ",
                     std::string(Name(fields_[i].dtype)), ", got ", observation[i].size(), " of ",
                     std::string(Name(observation[i].dtype))));
  }
  return absl::OkStatus();
}

absl::StatusOr<const float*> FeatureReader::Read(int rows,
                                                 std::span<const TensorView> observation) {
  MILLRACE_RETURN_IF_ERROR(Check(rows, observation));
  if (pass_through_) return reinterpret_cast<const float*>(observation[0].data);
  features_.Reserve(static_cast<size_t>(rows * num_features_));
  int64_t column = 0;
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (!is_feature_[i]) continue;
    const int64_t width = NumElements(fields_[i].shape);
    CopyField(observation[i], rows, width, features_.data() + column, num_features_);
    column += width;
  }
  if (!mean_.empty()) {
    for (int64_t row = 0; row < rows; ++row) {
      float* features = features_.data() + row * num_features_;
      for (size_t i = 0; i < mean_.size(); ++i) {
        features[i] =
            std::clamp((features[i] - mean_[i]) * scale_[i], -kObservationLimit, kObservationLimit);
      }
    }
  }
  return features_.data();
}

}  // namespace millrace
