#include "core/thread_team.h"

#include "core/deadline.h"
#include "core/thread_name.h"
#include "millrace/core/check.h"

namespace millrace {
namespace {

// Parts of one computation follow each other fast.
constexpr auto kSpin = std::chrono::microseconds(20);
constexpr int kChecks = 16;  // between two looks at the clock

// Returns what `value` holds once it is no longer `old`.
template <typename T>
T AwaitChange(const std::atomic<T>& value, T old) {
  const Clock::time_point end = Clock::now() + kSpin;
  do {
    for (int check = 0; check < kChecks; ++check) {
      if (const T now = value.load(std::memory_order_acquire); now != old) return now;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  } while (Clock::now() < end);
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

ThreadTeam::ThreadTeam(int threads) {
  MILLRACE_CHECK(threads >= 1, "a team of no threads");
  for (int thread = 1; thread < threads; ++thread) {
    others_.emplace_back([this, thread] { Work(thread); });
  }
}

ThreadTeam::~ThreadTeam() {
  stopping_ = true;
  ++round_;
  round_.notify_all();
}

void ThreadTeam::TakeParts(int thread) {
  // What a part reads was written before round_; what it writes is read after working_.
  for (int64_t part = next_.fetch_add(1, std::memory_order_relaxed); part < parts_;
       part = next_.fetch_add(1, std::memory_order_relaxed)) {
    (*task_)(part, thread);
  }
}

void ThreadTeam::Work(int thread) {
  SetThreadName("team");
  for (uint32_t seen = 0;;) {
    seen = AwaitChange(round_, seen);
    if (stopping_) return;
    TakeParts(thread);
    if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_one();
  }
}

void ThreadTeam::Run(int64_t parts, Task task) {
  if (others_.empty() || parts <= 1) {
    for (int64_t part = 0; part < parts; ++part) task(part, 0);
    return;
  }
  task_ = &task;
  parts_ = parts;
  next_ = 0;
  working_ = static_cast<int>(others_.size());
  ++round_;
  round_.notify_all();
  TakeParts(0);
  for (int left = working_; left != 0;) left = AwaitChange(working_, left);
}

}  // namespace millrace
