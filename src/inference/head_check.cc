#include "inference/head_check.h"

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace {

absl::Status CheckHeads(const ModelSpec& spec, int rows, const HeadSpans& heads) {
  const auto check = [](const char* name, size_t got, int64_t expected) -> absl::Status {
    if (got >= static_cast<size_t>(expected)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("forward: ", name, ": expected ", expected, " floats, got ", got));
  };
  const int64_t reals = spec.action.continuous_size();
  MILLRACE_RETURN_IF_ERROR(check("logits", heads.logits.size(), rows * spec.action.num_choices()));
  MILLRACE_RETURN_IF_ERROR(check("mean", heads.mean.size(), rows * reals));
  MILLRACE_RETURN_IF_ERROR(check("value", heads.value.size(), rows));
  return check("log_std", heads.log_std.size(), reals);
}

}  // namespace millrace
