// What a device can do at best, measured: the roof beside a benchmark's figure.
#pragma once

#include <string>

#include "millrace/models/torch.h"

namespace millrace {

struct Roof {
  double operations = 0;      // float32 a second; a multiply-add is two
  double bytes = 0;           // of memory a second, reads and writes; 0: not measured
  double launch_seconds = 0;  // from one kernel to the next, if nothing else bounds them

  // The roofline of Williams et al. 2009: the least time for so much work and traffic.
  double Seconds(double work, double traffic) const;
  std::string ToString() const;  // "62 TFLOP/s, 2.9 TB/s"
};

// One core: fused multiply-adds in registers.
Roof MeasureCore();
// A GPU through LibTorch: a product of large matrices in the precision LibTorch is set to, a copy
// within its memory, and a row of kernels on one number.
Roof MeasureDevice(torch::Device device);

// Waits until the device has done everything; nothing on the CPU.
void Wait(torch::Device device);

}  // namespace millrace
