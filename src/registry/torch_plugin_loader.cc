#include "registry/torch_plugin_loader.h"

#include "millrace/core/status.h"
#include "millrace/registry/plugin.h"
#include "registry/plugin_loader.h"

namespace millrace {
namespace {

absl::Status Load(const std::string& path, TorchRegistry& registry) {
  MILLRACE_ASSIGN_OR_RETURN(const PluginExports exports,
                            plugin::ReadAndCheck(path, MILLRACE_TORCH_ID_));
  MILLRACE_ASSIGN_OR_RETURN(void* library, plugin::Open(path));
  if (exports.registers) {
    auto* function = plugin::Find<void(Registry&)>(library, "MillraceRegister");
    MILLRACE_RETURN_IF_ERROR(plugin::Register(registry, [&] { function(registry); }));
  }
  if (!exports.registers_torch) return absl::OkStatus();
  auto* function = plugin::Find<void(TorchRegistry&)>(library, "MillraceRegisterTorch");
  return plugin::Register(registry, [&] { function(registry); });
}

}  // namespace

absl::Status LoadTorchPlugin(const std::string& path, TorchRegistry& registry,
                             const std::string& where) {
  return plugin::Describe(Load(path, registry), path, where);
}

}  // namespace millrace
