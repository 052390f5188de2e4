#include "embedding/jagged_rows.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace millrace::embedding {

absl::Status JaggedRows::Set(std::span<const int64_t> ids, std::span<const int32_t> counts,
                             int64_t samples, int64_t features) {
  samples_ = 0;
  if (std::ssize(counts) != samples * features) {
    return absl::InvalidArgumentError(absl::StrCat("a batch of ids: expected ", samples, " x ",
                                                   features, " counts, got ", counts.size()));
  }
  const int64_t capacity = samples > 0 ? std::ssize(ids) / samples : 0;
  lengths_.resize(counts.size());
  next_.assign(static_cast<size_t>(features), 0);
  for (int64_t i = 0; i < samples; ++i) {
    int64_t total = 0;
    for (int64_t f = 0; f < features; ++f) {
      const int32_t count = counts[static_cast<size_t>(i * features + f)];
      lengths_[static_cast<size_t>(f * samples + i)] = count;
      next_[static_cast<size_t>(f)] += count;
      total += count;
      if (count < 0 || total > capacity) {
        return absl::InvalidArgumentError(
            absl::StrCat("sample ", i, " of a batch: expected at most ", capacity,
                         " ids, got a feature with ", count, " and ", total, " up to it"));
      }
    }
  }
  int64_t begin = 0;
  for (int64_t& next : next_) begin += std::exchange(next, begin);
  ids_.resize(static_cast<size_t>(begin));
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t* from = ids.data() + i * capacity;
    for (int64_t f = 0; f < features; ++f) {
      const int32_t count = counts[static_cast<size_t>(i * features + f)];
      int64_t& next = next_[static_cast<size_t>(f)];
      std::copy_n(from, count, ids_.data() + next);
      next += count;
      from += count;
    }
  }
  samples_ = samples;
  return absl::OkStatus();
}

}  // namespace millrace::embedding
