// Subsets of a few things by number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace {

// How many subsets of `size` things of `count` there are; at most 2^31 - 1, which stands for more.
inline int64_t NumSubsets(int64_t count, int64_t size) {
  constexpr int64_t kMany = INT32_MAX;
  if (size < 0 || size > count) return 0;
  int64_t subsets = 1;
  for (int64_t i = 1; i <= size; ++i) {
    subsets = subsets * (count - size + i) / i;
    if (subsets >= kMany) return kMany;
  }
  return subsets;
}

// All of them, in lexicographic order: [NumSubsets()][size], ascending.
inline std::vector<std::vector<int64_t>> Subsets(int64_t count, int64_t size) {
  std::vector<std::vector<int64_t>> subsets;
  std::vector<int64_t> subset;
  for (int64_t i = 0; i < size; ++i) subset.push_back(i);
  while (std::ssize(subset) == size && size <= count) {
    subsets.push_back(subset);
    // The last that can be one higher is; those behind it follow.
    int64_t last = size - 1;
    while (last >= 0 && subset[static_cast<size_t>(last)] == count - size + last) --last;
    if (last < 0) break;
    int64_t next = subset[static_cast<size_t>(last)];
    for (int64_t i = last; i < size; ++i) subset[static_cast<size_t>(i)] = ++next;
  }
  return subsets;
}

}  // namespace millrace
