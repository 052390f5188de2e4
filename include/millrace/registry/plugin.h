// What a plug-in exports. A plug-in is a shared library named in the experiment's `plugins:`; it
// links millrace::millrace (environments, sample fields) or millrace::torch (models, algorithms,
// backends).
//
//   #include <millrace/registry/plugin.h>
//   #include <millrace/registry/registry.h>  // or, with LibTorch, torch_registry.h
//
//   MILLRACE_PLUGIN_ABI  // once, at namespace scope, after the includes
//   extern "C" void MillraceRegister(millrace::Registry& registry) { ... }
//   extern "C" void MillraceRegisterTorch(millrace::TorchRegistry& registry) { ... }
//
// It exports one of the two functions, or both. Processes without LibTorch (actors) load every
// plug-in that exports MillraceRegister, and LibTorch with it if the plug-in links that: keep the
// two in separate libraries.
#pragma once

#include <cstdint>

extern "C" {
// Compared before any C++ of the plug-in runs. All fields are plain C.
struct millrace_abi_record {
  uint32_t record_version;  // 1
  char millrace[32];        // version of the headers the plug-in was built with
  char compiler[64];        // standard library, its release and ABI
  char torch[32];           // LibTorch version, or empty for a LibTorch-free plug-in
};
}

#define MILLRACE_VERSION "0.1.0"
#define MILLRACE_STRINGIFY_INNER_(x) #x
#define MILLRACE_STRINGIFY_(x) MILLRACE_STRINGIFY_INNER_(x)
#ifdef _GLIBCXX_USE_CXX11_ABI
#define MILLRACE_COMPILER_ID_                                                         \
  "libstdc++-" MILLRACE_STRINGIFY_(_GLIBCXX_RELEASE) "-cxx11abi" MILLRACE_STRINGIFY_( \
      _GLIBCXX_USE_CXX11_ABI)
#else
#define MILLRACE_COMPILER_ID_ "other"
#endif
#ifndef MILLRACE_TORCH_ID_  // millrace/registry/torch_registry.h makes it LibTorch's version
#define MILLRACE_TORCH_ID_ ""
#endif

#define MILLRACE_PLUGIN_ABI                                                                    \
  extern "C" __attribute__((visibility("default"))) const millrace_abi_record millrace_abi = { \
      1, MILLRACE_VERSION, MILLRACE_COMPILER_ID_, MILLRACE_TORCH_ID_};
