// Plug-ins with one fault each. A static initialiser aborts: checks must come before it runs.
#include <cstdlib>
#include <stdexcept>

#include "millrace/registry/plugin.h"
#include "millrace/registry/registry.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

#if defined(OTHER_VERSION)
EXPORTED const millrace_abi_record millrace_abi = {1, "9.9.9", MILLRACE_COMPILER_ID_, ""};
#elif defined(OTHER_COMPILER)
EXPORTED const millrace_abi_record millrace_abi = {1, MILLRACE_VERSION, "libc++-99", ""};
#elif !defined(NO_RECORD)
MILLRACE_PLUGIN_ABI
#endif

#if defined(ONLY_TORCH)
EXPORTED void MillraceRegisterTorch(void*) { std::abort(); }
#elif defined(THROWS)
EXPORTED void MillraceRegister(millrace::Registry&) { throw std::runtime_error("no licence"); }
#elif defined(UNDEFINED_SYMBOL)
EXPORTED int FunctionThatNobodyHas();
EXPORTED void MillraceRegister(millrace::Registry&) { FunctionThatNobodyHas(); }
#elif !defined(NO_FUNCTION)
EXPORTED void MillraceRegister(millrace::Registry&) {}
#endif

#if !defined(THROWS)
namespace {
[[maybe_unused]] const int kNeverRun = (std::abort(), 0);
}  // namespace
#endif
