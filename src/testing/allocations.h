// Counts the heap blocks that a thread takes. This file replaces operator new: exactly one file of
// a program includes it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

namespace millrace {

// Of this thread.
inline thread_local uint64_t allocations = 0;

}  // namespace millrace

// Not inlined: the compiler would see malloc's memory given to delete, and warn.
#define MILLRACE_NOINLINE __attribute__((noinline))
MILLRACE_NOINLINE void* operator new(size_t size) {
  ++millrace::allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
MILLRACE_NOINLINE void* operator new[](size_t size) { return operator new(size); }
MILLRACE_NOINLINE void operator delete(void* memory) noexcept { std::free(memory); }
MILLRACE_NOINLINE void operator delete[](void* memory) noexcept { std::free(memory); }
MILLRACE_NOINLINE void operator delete(void* memory, size_t) noexcept { std::free(memory); }
MILLRACE_NOINLINE void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
