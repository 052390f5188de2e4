// "Did you mean": the known name closest to a misspelt one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace {

// The candidate with the smallest edit distance (insert, delete, replace, swap of neighbours), or
// an empty string if none is close enough to be a likely misspelling.
std::string NearestName(std::string_view word, std::span<const std::string> candidates);

// `; did you mean "x"?`, or an empty string.
std::string DidYouMean(std::string_view word, std::span<const std::string> candidates);

}  // namespace millrace
