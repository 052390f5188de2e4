// Everything that needs LibTorch, behind one command line: workers by role, and the parts of eval,
// play, list and validate that the LibTorch-free `millrace` hands over.
#pragma once

#include "millrace/registry/torch_registry.h"

namespace millrace {

// `registry` holds the built-ins and whatever a user's own main added.
int TorchMain(int argc, char** argv, TorchRegistry registry);

}  // namespace millrace
