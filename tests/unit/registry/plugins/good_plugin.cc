// A plug-in with one environment (a CartPole by another name) and one sample field.
#include "env/builtin_environments.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/registry.h"

MILLRACE_PLUGIN_ABI

extern "C" __attribute__((visibility("default"))) void MillraceRegister(
    millrace::Registry& registry) {
  registry.AddEnvironment("from_plugin", millrace::MakeCartPole, "made by a plug-in");
  registry.AddSampleField({"twice_the_reward", millrace::DType::kFloat32, {}},
                          [](const millrace::StepView&, millrace::TensorView) {});
}
