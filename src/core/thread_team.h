// A few threads that share the parts of one computation.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace millrace {

// The calling thread is one of them; the others sleep between calls, after a moment of spinning.
// Waits have no deadline: they end with the parts of the computation, which wait for nobody. Bound
// to one thread.
class ThreadTeam {
 public:
  using Task = absl::FunctionRef<void(int64_t part, int thread)>;

  // `threads` >= 1, in all.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return static_cast<int>(others_.size()) + 1; }
  // task(part, thread) for every part < parts, thread < size(); each part once, by whichever thread
  // is free. Returns when all are done.
  void Run(int64_t parts, Task task);

 private:
  void Work(int thread);
  void TakeParts(int thread);

  // Written by Run() before round_ is.
  const Task* task_ = nullptr;
  int64_t parts_ = 0;
  std::atomic<int64_t> next_ = 0;    // part
  std::atomic<int> working_ = 0;     // other threads that have not finished the round
  std::atomic<uint32_t> round_ = 0;  // how often Run() had others work
  std::atomic<bool> stopping_ = false;
  std::vector<std::jthread> others_;  // last: they use what is above
};

}  // namespace millrace
