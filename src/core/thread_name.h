// Names the calling thread, as seen in `ps -L`, `top -H` and debuggers.
#pragma once

#include <pthread.h>

#include <string>

namespace millrace {

inline void SetThreadName(const std::string& name) {
  // The kernel keeps 15 characters.
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace millrace
