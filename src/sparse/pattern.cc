#include "sparse/pattern.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "millrace/core/nearest_name.h"

namespace millrace::sparse {
namespace {

constexpr Pattern kPatterns[] = {{1, 4}, {2, 4}, {1, 8}, {2, 8}, {4, 8}, {1, 16}, {2, 16}, {4, 16}};

}  // namespace

bool IsKnown(const Pattern& pattern) {
  if (pattern.tiles && (IsDense(pattern) || pattern.shared_by != kPanel)) return false;
  if (pattern.shared_by < 1 || pattern.shared_by > kPanel || kPanel % pattern.shared_by != 0) {
    return false;
  }
  return (pattern.kept == 2 && IsDense(pattern)) ||
         std::ranges::any_of(kPatterns, [&](const Pattern& known) {
           return known.kept == pattern.kept && known.group == pattern.group;
         });
}

std::string NameOf(const Pattern& pattern) {
  return IsDense(pattern) ? "dense" : absl::StrCat(pattern.kept, ":", pattern.group);
}

absl::StatusOr<Pattern> ParsePattern(std::string_view name) {
  if (name == "dense") return DensePattern();
  std::vector<std::string> names = {"dense"};
  for (const Pattern& pattern : kPatterns) {
    names.push_back(NameOf(pattern));
    if (names.back() == name) return pattern;
  }
  return absl::InvalidArgumentError(absl::StrCat("no such sparsity pattern: \"", std::string(name),
                                                 "\"", DidYouMean(name, names)));
}

}  // namespace millrace::sparse
