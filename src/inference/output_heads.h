// From the outputs of a native model's heads to what InferenceModel::Forward() returns.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "inference/native_trunk.h"
#include "inference/weight_blob.h"
#include "millrace/inference/inference_model.h"

namespace millrace {

// Thread-compatible.
class OutputHeads {
 public:
  explicit OutputHeads(const ModelSpec& spec);

  // Takes log_std and what values are scaled by.
  void Load(const WeightBlob& weights);
  // kInvalidArgument with the sizes if one of the spans is too short.
  absl::Status Check(int rows, const HeadSpans& heads) const;

  // Outputs of the policy head, logits and then means, become rows [begin, begin + rows).
  void WritePolicy(RowMatrix outputs, int64_t begin, int64_t rows, const HeadSpans& heads) const;
  // The same of values, in the first column, brought into reward units.
  void WriteValue(RowMatrix outputs, int64_t begin, int64_t rows, const HeadSpans& heads) const;
  void WriteLogStd(const HeadSpans& heads) const;

 private:
  const int64_t choices_, reals_;
  const bool normalized_value_;
  float value_mean_ = 0.0F;
  float value_scale_ = 1.0F;
  std::vector<float> log_std_;
};

}  // namespace millrace
