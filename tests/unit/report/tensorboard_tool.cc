// Writes three events into the directory that it is given, for tensorboard_interop.py.
#include <cstdio>
#include <string>

#include "report/tensorboard_writer.h"

int main(int argc, char** argv) {
  auto writer = millrace::TensorBoardWriter::Create(argc > 1 ? argv[1] : ".");
  if (!writer.ok()) return 1;
  for (int i = 1; i <= 3; ++i) {
    millrace::RunMetrics metrics;
    metrics.time = 1700000000 + i;
    metrics.env_steps = 1000 * static_cast<uint64_t>(i);
    metrics.episode_means = millrace::EpisodeMeans{10.5 * i, 20};
    metrics.training["loss/policy"] = -0.25 * i;
    if (!(*writer)->Write(metrics).ok()) return 1;
  }
  return 0;
}
