#include "registry/lazy_plugin.h"

#include <dlfcn.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"
#include "registry/plugin_loader.h"

namespace millrace {
namespace {

absl::StatusOr<std::string> Locate(const std::string& file) {
  Dl_info info{};
  std::error_code error;
  std::filesystem::path folder = "/proc/self/exe";
  if (::dladdr(reinterpret_cast<void*>(&Locate), &info) != 0 && info.dli_fname != nullptr) {
    folder = info.dli_fname;
  }
  folder = std::filesystem::canonical(folder, error).parent_path();
  for (const auto& candidate : {folder / file, folder.parent_path() / "lib" / file}) {
    if (std::filesystem::exists(candidate, error)) return candidate.string();
  }
  return absl::NotFoundError(absl::StrCat(file, " is neither in ", folder.string(), " nor in ",
                                          (folder.parent_path() / "lib").string(),
                                          "; is the installation complete?"));
}

}  // namespace

struct LazyPlugin::State {
  const std::string file;
  std::optional<Registry> registry;  // once it is loaded
};

LazyPlugin::LazyPlugin(std::string file)
    : state_(std::make_shared<State>(State{.file = std::move(file), .registry = std::nullopt})) {}

EnvironmentFactory LazyPlugin::Environment(const std::string& name) const {
  return [state = state_,
          name](const Options& options) -> absl::StatusOr<std::unique_ptr<millrace::Environment>> {
    if (!state->registry) {
      MILLRACE_ASSIGN_OR_RETURN(const std::string path, Locate(state->file));
      Registry registry;
      MILLRACE_RETURN_IF_ERROR(LoadPlugin(path, registry));
      state->registry = std::move(registry);
    }
    return state->registry->MakeEnvironment(name, options);
  };
}

}  // namespace millrace
