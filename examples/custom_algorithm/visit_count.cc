// The sample field "visit_count": how often this actor has been in the (coarsely rounded) state an
// agent acts in. Actors compute it because only they see every step in order.
#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include "millrace/registry/plugin.h"
#include "millrace/registry/registry.h"

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegister(millrace::Registry& registry) {
  auto visits = std::make_shared<std::map<std::vector<long>, float>>();
  registry.AddSampleField({"visit_count", millrace::DType::kFloat32, {}, millrace::Extent::kSteps},
                          [visits](const millrace::StepView& step, millrace::TensorView out) {
                            const millrace::TensorView& observation =
                                step.fields.at("observation/observation");
                            for (int64_t row = 0; row < out.shape[0]; ++row) {
                              std::vector<long> cell;
                              for (float x : observation[row].As<float>())
                                cell.push_back(std::lround(2 * x));
                              out.As<float>()[row] = ++(*visits)[cell];
                            }
                          });
}
