#include "streams/shm/slab_store.h"

#include <cstdlib>
#include <cstring>

#include "millrace/core/check.h"

namespace millrace {

SlabMemory AllocateHeapSlab(size_t bytes) {
  const size_t size = AlignSlab(bytes);
  void* data = std::aligned_alloc(kSlabAlignment, size);
  MILLRACE_CHECK(data != nullptr, "out of memory");
  std::memset(data, 0, size);
  return {std::shared_ptr<void>(data, std::free), {static_cast<std::byte*>(data), bytes}};
}

}  // namespace millrace
