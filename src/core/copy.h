// Copies of weights: a blob may be larger than what the caches hold.
#pragma once

#include <cstddef>
#include <span>

namespace millrace {

// As memcpy, for one part of a copy of `whole` bytes. From 4 MiB on it goes past the caches: to
// overwrite what they do not have would mean to fetch it first.
void CopyPart(std::byte* to, std::span<const std::byte> from, size_t whole);

inline void CopyBytes(std::span<std::byte> to, std::span<const std::byte> from) {
  CopyPart(to.data(), from, from.size());
}

}  // namespace millrace
