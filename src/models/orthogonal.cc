#include "models/orthogonal.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace millrace {
namespace {

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Makes `vector` orthogonal to `basis` (modified Gram-Schmidt, twice for accuracy) and of length 1.
void Orthonormalize(const std::vector<std::vector<double>>& basis, std::vector<double>& vector) {
  for (int pass = 0; pass < 2; ++pass) {
    for (const auto& other : basis) {
      const double projection = Dot(vector, other);
      for (size_t i = 0; i < vector.size(); ++i) vector[i] -= projection * other[i];
    }
  }
  const double length = std::sqrt(Dot(vector, vector));
  for (double& x : vector) x /= length;
}

}  // namespace

void FillOrthogonal(int64_t rows, int64_t columns, double gain, Rng& rng, std::span<float> weight) {
  const auto count = static_cast<size_t>(std::min(rows, columns));
  const auto length = static_cast<size_t>(std::max(rows, columns));
  std::vector<std::vector<double>> basis;
  for (size_t v = 0; v < count; ++v) {
    std::vector<double> vector(length);
    for (double& x : vector) x = rng.Normal();
    Orthonormalize(basis, vector);
    basis.push_back(std::move(vector));
  }
  const bool by_row = rows <= columns;
  for (size_t v = 0; v < count; ++v) {
    for (size_t i = 0; i < length; ++i) {
      const size_t at = by_row ? v * length + i : i * count + v;
      weight[at] = static_cast<float>(gain * basis[v][i]);
    }
  }
}

}  // namespace millrace
