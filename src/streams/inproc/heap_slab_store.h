// Slabs on the heap, for stream ends inside one process.
#pragma once

#include <memory>

#include "streams/factory.h"
#include "streams/shm/slab_store.h"

namespace millrace {

// Ends find each other if they use the same NameService object.
std::unique_ptr<SlabStore> MakeHeapSlabStore(const StreamContext& context);

}  // namespace millrace
