// Loading the experiment's `plugins:`. Loaded libraries stay until the process ends: objects made
// by them may live that long.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/registry/registry.h"
#include "registry/plugin_exports.h"

namespace millrace {

// Checks the plug-in's record, loads it and lets it register what needs no LibTorch; a plug-in that
// only has LibTorch code is checked and left alone. `where` ("run.yaml:12" or empty) precedes
// messages.
// kInvalidArgument, in one line, if the file is missing, is no shared library or no plug-in, was
// built for another Millrace or compiler (both versions are named), cannot be loaded or registers a
// name twice; kInternal if it throws.
absl::Status LoadPlugin(const std::string& path, Registry& registry, const std::string& where = "");

// The steps of loading, for the loader of LibTorch plug-ins.
namespace plugin {

// `torch`: this process's LibTorch version, or empty if it has none.
absl::StatusOr<PluginExports> ReadAndCheck(const std::string& path, const std::string& torch);
// dlopen: RTLD_NOW | RTLD_LOCAL.
absl::StatusOr<void*> Open(const std::string& path);
// The exported function, which must be there, as a pointer to Function.
template <typename Function>
Function* Find(void* library, const char* name);
void* FindAddress(void* library, const char* name);
// Calls `registration` and looks for repeated names.
absl::Status Register(const Registry& registry, const std::function<void()>& registration);
// Puts "WHERE: plug-in PATH" before the message.
absl::Status Describe(const absl::Status& status, const std::string& path,
                      const std::string& where);

template <typename Function>
Function* Find(void* library, const char* name) {
  return reinterpret_cast<Function*>(FindAddress(library, name));
}

}  // namespace plugin
}  // namespace millrace
