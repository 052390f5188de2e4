// What the threads of a worker spend their time on.
//
// A profiled thread is in exactly one activity at every moment, so the times of its activities sum
// to its life. Code marks what is worth telling apart; on a thread without a timer (tests, tools)
// a mark costs the test of a pointer.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "core/deadline.h"

namespace millrace {

// The leaves of the profile tree. An activity belongs to one thread of a process.
enum class Activity : uint8_t {
  kStartUp,  // from the process's start until it works
  kOther,
  kIdle,
  kStreams,  // posting, collecting and answering messages
  // actor
  kEnvironment,
  kRecord,  // copying observations, actions and outcomes into segments
  kWaitActions,
  kWaitCredit,
  // policy worker; actor with inline inference
  kInferenceGather,
  kInferenceForward,
  kInferenceSample,  // actions and their log-probabilities
  kLoadWeights,
  // trainer
  kWaitSamples,
  kIntakeCalls,  // what the main thread does of the intake: accounts, credits, assembly
  kWaitRanks,    // for the other ranks to reach the same batch
  kTrainOther,
  kTrainTargets,  // advantages, returns
  kTrainGather,   // minibatches from the batch
  kTrainForward,
  kTrainLoss,
  kTrainBackward,
  kTrainCollectives,  // exchange with the other ranks
  kTrainOptimizer,
  kTrainNormalizers,
  kPublish,
  kTakeCheckpoint,
  // the trainer's other threads
  kIntakeIdle,
  kIntakeReceive,  // segments, credits, accounts, assembly of the next batch
  kCheckpointIdle,
  kCheckpointWrite,
  kCount,
};
inline constexpr int kNumActivities = static_cast<int>(Activity::kCount);

struct ActivityInfo {
  std::string_view thread;  // "main" or the name of another one
  std::string_view path;    // "train/forward": its place in the tree
};
const ActivityInfo& Describe(Activity activity);

// Nanoseconds per activity. Each is written by one thread; any thread may read.
using ActivityTotals = std::array<std::atomic<uint64_t>, kNumActivities>;

// Counts the time of the thread that makes it, until it is destroyed. Bound to that thread.
class ActivityTimer {
 public:
  explicit ActivityTimer(Activity first, Clock::time_point since = Clock::now());
  ~ActivityTimer();
  ActivityTimer(const ActivityTimer&) = delete;
  ActivityTimer& operator=(const ActivityTimer&) = delete;

  // Adds what was counted so far to `totals`, and counts there from now on. `totals` must outlive
  // the timer.
  void PublishTo(ActivityTotals* totals);

  // The activity before.
  Activity Enter(Activity next);

  // This thread's; null if it has none.
  static ActivityTimer* Current() { return current_; }

 private:
  static constinit thread_local ActivityTimer* current_;

  ActivityTotals own_{};
  ActivityTotals* totals_ = &own_;
  Activity activity_;
  Clock::time_point since_;
};

// From here on the thread does `next`.
inline void EnterActivity(Activity next) {
  if (ActivityTimer* timer = ActivityTimer::Current()) timer->Enter(next);
}

// In `activity` for a scope; then in what it was before.
class ActivityScope {
 public:
  explicit ActivityScope(Activity activity) : timer_(ActivityTimer::Current()) {
    if (timer_ != nullptr) before_ = timer_->Enter(activity);
  }
  ~ActivityScope() {
    if (timer_ != nullptr) timer_->Enter(before_);
  }
  ActivityScope(const ActivityScope&) = delete;
  ActivityScope& operator=(const ActivityScope&) = delete;

 private:
  ActivityTimer* const timer_;
  Activity before_ = Activity::kOther;
};

}  // namespace millrace
