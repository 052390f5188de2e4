#include "inference/output_heads.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "inference/normalization.h"
#include "millrace/core/status.h"

namespace millrace {

OutputHeads::OutputHeads(const ModelSpec& spec)
    : choices_(spec.action.num_choices()),
      reals_(spec.action.continuous_size()),
      normalized_value_(spec.normalize_value) {}

void OutputHeads::Load(const WeightBlob& weights) {
  const auto log_std = weights.Tensor("log_std");
  log_std_.assign(log_std.begin(), log_std.end());
  if (!normalized_value_) return;
  value_mean_ = weights.Tensor("value_mean")[0];
  value_scale_ = std::sqrt(weights.Tensor("value_variance")[0] + kNormalizerEpsilon);
}

absl::Status OutputHeads::Check(int rows, const HeadSpans& heads) const {
  const auto check = [](const char* name, size_t got, int64_t expected) -> absl::Status {
    if (got >= static_cast<size_t>(expected)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("forward: ", name, ": expected ", expected, " floats, got ", got));
  };
  MILLRACE_RETURN_IF_ERROR(check("logits", heads.logits.size(), rows * choices_));
  MILLRACE_RETURN_IF_ERROR(check("mean", heads.mean.size(), rows * reals_));
  MILLRACE_RETURN_IF_ERROR(check("value", heads.value.size(), rows));
  return check("log_std", heads.log_std.size(), reals_);
}

void OutputHeads::WritePolicy(RowMatrix outputs, int64_t begin, int64_t rows,
                              const HeadSpans& heads) const {
  for (int64_t row = 0; row < rows; ++row) {
    const float* out = outputs.data + row * outputs.stride;
    std::copy_n(out, choices_, heads.logits.data() + (begin + row) * choices_);
    std::copy_n(out + choices_, reals_, heads.mean.data() + (begin + row) * reals_);
  }
}

void OutputHeads::WriteValue(RowMatrix outputs, int64_t begin, int64_t rows,
                             const HeadSpans& heads) const {
  for (int64_t row = 0; row < rows; ++row) {
    heads.value[static_cast<size_t>(begin + row)] =
        outputs.data[row * outputs.stride] * value_scale_ + value_mean_;
  }
}

void OutputHeads::WriteLogStd(const HeadSpans& heads) const {
  std::ranges::copy(log_std_, heads.log_std.begin());
}

}  // namespace millrace
