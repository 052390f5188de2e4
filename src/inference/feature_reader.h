// Observation fields to one float32 matrix of features, normalised if the model normalises.
#pragma once

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "kernels/packed_layer.h"
#include "millrace/data/tensor_view.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// Bound to one thread.
class FeatureReader {
 public:
  explicit FeatureReader(const ModelSpec& spec);

  // mean and variance [F], or empty.
  void SetNormalizer(std::span<const float> mean, std::span<const float> variance);

  // The features [rows, F] of `observation`, one view a field in spec order; valid until the next
  // call, or as long as the observation if that is float32 features already. kInvalidArgument if a
  // field is missing, too short or of the wrong type.
  absl::StatusOr<const float*> Read(int rows, std::span<const TensorView> observation);

 private:
  absl::Status Check(int rows, std::span<const TensorView> observation) const;

  std::vector<Field> fields_;
  std::vector<bool> is_feature_;  // of fields_
  int64_t num_features_;
  bool pass_through_;  // a single float32 field that needs no arithmetic
  std::vector<float> mean_;
  std::vector<float> scale_;
  AlignedFloats features_;
};

}  // namespace millrace
