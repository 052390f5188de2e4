// c10d's rendezvous store over the controller's shared keys, so that no rank is special.
#pragma once

#include <string>

#include "backends/c10d_store_adapter.h"
#include "control/control_client.h"

namespace millrace {

// Keys live below `prefix`. `control` outlives the store.
c10::intrusive_ptr<c10d::Store> MakeControlStore(ControlClient* control, std::string prefix,
                                                 std::chrono::milliseconds timeout);

}  // namespace millrace
