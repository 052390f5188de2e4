// Orthogonal initialisation of weight matrices.
#pragma once

#include <cstdint>
#include <span>

#include "millrace/core/rng.h"

namespace millrace {

// Fills weight [rows, columns] with `gain` times a random matrix whose rows (or columns, if there
// are fewer of them) are orthonormal: Saxe et al. 2014 (arXiv:1312.6120). The same draws from `rng`
// give the same matrix.
void FillOrthogonal(int64_t rows, int64_t columns, double gain, Rng& rng, std::span<float> weight);

}  // namespace millrace
