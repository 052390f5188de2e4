// MILLRACE_CHECK: what cannot happen is a bug, and a bug stops the process. LibTorch owns the names
// CHECK and LOG.
#pragma once

#include <string_view>

namespace millrace {

// Prints the failed condition with its place and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              std::string_view message);

}  // namespace millrace

#define MILLRACE_CHECK(condition, ...)                                                        \
  do {                                                                                        \
    if (!(condition)) [[unlikely]] {                                                          \
      ::millrace::CheckFailed(__FILE__, __LINE__, #condition, std::string_view{__VA_ARGS__}); \
    }                                                                                         \
  } while (false)
