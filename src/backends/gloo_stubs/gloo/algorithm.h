// The LibTorch wheel has gloo's code but not its headers. These stubs declare the little that
// c10d's ProcessGroupGloo.hpp names; nothing here is ever defined or instantiated by us.
#pragma once
