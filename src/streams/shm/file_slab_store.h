// Slabs as memory-mapped files, seen by every process of this host.
#pragma once

#include <memory>

#include "streams/factory.h"
#include "streams/shm/slab_store.h"

namespace millrace {

// Slabs go to context.shm_directory. kInvalidArgument if the context names no directory or no bell
// file.
absl::StatusOr<std::unique_ptr<SlabStore>> MakeFileSlabStore(const StreamContext& context);

}  // namespace millrace
