// The sample field "visit_count": how often this actor has been in the (coarsely rounded) state an
// agent acts in. Actors compute it because only they see every step in order.
#include <cmath>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "millrace/registry/plugin.h"
#include "millrace/registry/registry.h"

namespace {

constexpr float kCellsPerUnit = 2.0f;

// FNV-1a over the rounded float32 features of one row.
uint64_t CellOf(const millrace::TensorView& row) {
  uint64_t hash = 14695981039346656037u;
  for (float feature : row.As<float>()) {
    hash ^= static_cast<uint64_t>(std::lround(feature * kCellsPerUnit));
    hash *= 1099511628211u;
  }
  return hash;
}

}  // namespace

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegister(millrace::Registry& registry) {
  auto visits = std::make_shared<std::unordered_map<uint64_t, uint32_t>>();
  registry.AddSampleField(
      {"visit_count", millrace::DType::kFloat32, {}, millrace::Extent::kSteps},
      [visits](const millrace::StepView& step, millrace::TensorView out) {
        const millrace::TensorView& observation = step.fields.at("observation/observation");
        for (int64_t row = 0; row < out.shape[0]; ++row) {
          out.As<float>()[row] = static_cast<float>(++(*visits)[CellOf(observation[row])]);
        }
      });
}
