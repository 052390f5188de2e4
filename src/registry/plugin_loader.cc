#include "registry/plugin_loader.h"

#include <dlfcn.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "env/guarded.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace plugin {
namespace {

constexpr uint32_t kRecordVersion = 1;

absl::Status Mismatch(const std::string& what, const std::string& theirs, const std::string& ours) {
  return absl::InvalidArgumentError(absl::StrCat("expected a build for ", what, " ", ours,
                                                 " (this program), got one for ",
                                                 theirs.empty() ? "none" : theirs));
}

absl::Status CheckRecord(const PluginExports& exports, const std::string& torch) {
  if (!exports.abi.has_value()) {
    return absl::InvalidArgumentError(
        "expected an exported millrace_abi record (MILLRACE_PLUGIN_ABI), found none: no plug-in");
  }
  const millrace_abi_record& abi = *exports.abi;
  if (abi.record_version != kRecordVersion) {
    return Mismatch("record version", absl::StrCat(abi.record_version),
                    absl::StrCat(kRecordVersion));
  }
  if (std::string_view(abi.millrace) != MILLRACE_VERSION) {
    return Mismatch("Millrace", abi.millrace, MILLRACE_VERSION);
  }
  if (std::string_view(abi.compiler) != MILLRACE_COMPILER_ID_) {
    return Mismatch("the compiler's library", abi.compiler, MILLRACE_COMPILER_ID_);
  }
  if (exports.registers_torch && !torch.empty() && abi.torch != torch) {
    return Mismatch("LibTorch", abi.torch, torch);
  }
  if (!exports.registers && !exports.registers_torch) {
    return absl::InvalidArgumentError(
        "expected an exported function MillraceRegister or MillraceRegisterTorch, found none");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PluginExports> ReadAndCheck(const std::string& path, const std::string& torch) {
  MILLRACE_ASSIGN_OR_RETURN(const PluginExports exports, ReadPluginExports(path));
  MILLRACE_RETURN_IF_ERROR(CheckRecord(exports, torch));
  return exports;
}

absl::StatusOr<void*> Open(const std::string& path) {
  // An absolute path: dlopen would look for a bare name in the system's directories.
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(path, error).string();
  void* library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  const char* reason = dlerror();
  return absl::InvalidArgumentError(
      absl::StrCat("it cannot be loaded: ", reason == nullptr ? "no reason given" : reason));
}

void* FindAddress(void* library, const char* name) {
  void* address = dlsym(library, name);
  MILLRACE_CHECK(address != nullptr, name);
  return address;
}

absl::Status Register(const Registry& registry, const std::function<void()>& registration) {
  MILLRACE_RETURN_IF_ERROR(Guarded("its registration", [&] {
    registration();
    return absl::OkStatus();
  }));
  return registry.status();
}

absl::Status Describe(const absl::Status& status, const std::string& path,
                      const std::string& where) {
  return WithContext(status, absl::StrCat(where, where.empty() ? "" : ": ", "plug-in ", path));
}

}  // namespace plugin

namespace {

absl::Status Load(const std::string& path, Registry& registry) {
  MILLRACE_ASSIGN_OR_RETURN(const PluginExports exports, plugin::ReadAndCheck(path, ""));
  if (!exports.registers) return absl::OkStatus();
  MILLRACE_ASSIGN_OR_RETURN(void* library, plugin::Open(path));
  auto* function = plugin::Find<void(Registry&)>(library, "MillraceRegister");
  return plugin::Register(registry, [&] { function(registry); });
}

}  // namespace

absl::Status LoadPlugin(const std::string& path, Registry& registry, const std::string& where) {
  return plugin::Describe(Load(path, registry), path, where);
}

}  // namespace millrace
