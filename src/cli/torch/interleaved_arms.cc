#include "cli/torch/interleaved_arms.h"

#include <time.h>

#include "cli/torch/package_energy.h"

namespace millrace {
namespace {

double Seconds(bool one_thread) {
  timespec time;
  clock_gettime(one_thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

MeasuredArms Interleave(const std::vector<BenchArm>& arms, int rounds, bool one_thread) {
  MeasuredArms measured{.seconds = std::vector<std::vector<double>>(arms.size()),
                        .joules = std::vector<std::vector<double>>(arms.size())};
  for (int round = -1; round < rounds; ++round) {
    for (size_t i = 0; i < arms.size(); ++i) {
      const auto joules = PackageJoules();
      const double begin = Seconds(one_thread);
      arms[i].run();
      if (round < 0) continue;
      measured.seconds[i].push_back(Seconds(one_thread) - begin);
      const auto after = PackageJoules();
      if (joules && after && *after > *joules) measured.joules[i].push_back(*after - *joules);
    }
  }
  return measured;
}

}  // namespace millrace
