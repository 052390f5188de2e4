// How normaliser statistics are applied. Shared by the native forward, the LibTorch modules and the
// trainer, which must agree.
#pragma once

namespace millrace {

// x is normalised to (x - mean) / sqrt(variance + kNormalizerEpsilon).
inline constexpr float kNormalizerEpsilon = 1e-8F;
// Normalised observations are clamped to [-kObservationLimit, kObservationLimit].
inline constexpr float kObservationLimit = 10.0F;
// The logit of a masked choice: its probability underflows to exactly 0.
inline constexpr float kMaskedLogit = -1e9F;

}  // namespace millrace
