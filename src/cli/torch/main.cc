// millrace-torch: trainers and policy workers, and what else needs LibTorch.
#include "cli/torch/torch_main.h"

int main(int argc, char** argv) {
  return millrace::TorchMain(argc, argv, millrace::BuiltinTorchRegistry());
}
