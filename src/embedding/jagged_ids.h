// Ids of a batch.
#pragma once

#include <cstdint>
#include <span>

namespace millrace::embedding {

// How many ids each sample has of each feature, and all of them, in one array: the combined jagged
// format (Mudigere et al. 2021, arXiv:2104.05158).
struct JaggedIds {
  std::span<const int32_t> lengths;  // [features, samples]
  std::span<const int64_t> ids;      // of the first feature's first sample first
  int64_t samples = 0;

  int64_t features() const { return samples > 0 ? std::ssize(lengths) / samples : 0; }
  std::span<const int32_t> LengthsOf(int64_t feature) const {
    return lengths.subspan(static_cast<size_t>(feature * samples), static_cast<size_t>(samples));
  }
};

}  // namespace millrace::embedding
