// The one place that includes LibTorch.
#pragma once

#include <torch/torch.h>
