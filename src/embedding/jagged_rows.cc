#include "embedding/jagged_rows.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace millrace::embedding {

absl::Status JaggedRows::Set(std::span<const int64_t> ids, std::span<const int32_t> counts,
                             int64_t samples, const std::vector<bool>& used) {
  samples_ = 0;
  const auto features = std::ssize(used);
  if (std::ssize(counts) != samples * features) {
    return absl::InvalidArgumentError(absl::StrCat("a batch of ids: expected ", samples, " x ",
                                                   features, " counts, got ", counts.size()));
  }
  const int64_t capacity = samples > 0 ? std::ssize(ids) / samples : 0;
  const auto kept = static_cast<size_t>(std::ranges::count(used, true));
  lengths_.resize(kept * static_cast<size_t>(samples));
  next_.assign(kept, 0);
  for (int64_t i = 0; i < samples; ++i) {
    int64_t total = 0;
    size_t k = 0;  // feature of the batch
    for (int64_t f = 0; f < features; ++f) {
      const int32_t count = counts[static_cast<size_t>(i * features + f)];
      total += count;
      if (count < 0 || total > capacity) {
        return absl::InvalidArgumentError(
            absl::StrCat("sample ", i, " of a batch: expected at most ", capacity,
                         " ids, got a feature with ", count, " and ", total, " up to it"));
      }
      if (!used[static_cast<size_t>(f)]) continue;
      lengths_[k * static_cast<size_t>(samples) + static_cast<size_t>(i)] = count;
      next_[k++] += count;
    }
  }
  int64_t begin = 0;
  for (int64_t& next : next_) begin += std::exchange(next, begin);
  ids_.resize(static_cast<size_t>(begin));
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t* from = ids.data() + i * capacity;
    size_t k = 0;
    for (int64_t f = 0; f < features; ++f) {
      const int32_t count = counts[static_cast<size_t>(i * features + f)];
      if (used[static_cast<size_t>(f)]) {
        int64_t& next = next_[k++];
        std::copy_n(from, count, ids_.data() + next);
        next += count;
      }
      from += count;
    }
  }
  samples_ = samples;
  return absl::OkStatus();
}

}  // namespace millrace::embedding
