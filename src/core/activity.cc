#include "core/activity.h"

#include <utility>

namespace millrace {
namespace {

constexpr std::array<ActivityInfo, kNumActivities> kActivities = {{
    {"main", "start_up"},
    {"main", "other"},
    {"main", "idle"},
    {"main", "streams"},
    {"main", "environment"},
    {"main", "record"},
    {"main", "wait_actions"},
    {"main", "wait_credit"},
    {"main", "inference/gather"},
    {"main", "inference/forward"},
    {"main", "inference/sample"},
    {"main", "load_weights"},
    {"main", "wait_samples"},
    {"main", "intake"},
    {"main", "wait_ranks"},
    {"main", "train/other"},
    {"main", "train/targets"},
    {"main", "train/gather"},
    {"main", "train/forward"},
    {"main", "train/loss"},
    {"main", "train/backward"},
    {"main", "train/collectives"},
    {"main", "train/optimizer"},
    {"main", "train/normalizers"},
    {"main", "publish"},
    {"main", "take_checkpoint"},
    {"intake", "idle"},
    {"intake", "receive"},
    {"checkpoint", "idle"},
    {"checkpoint", "write"},
}};
static_assert(!kActivities.back().path.empty());

// One writer: no read-modify-write is needed.
void Add(std::atomic<uint64_t>& total, uint64_t amount) {
  total.store(total.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace

const ActivityInfo& Describe(Activity activity) {
  return kActivities[static_cast<size_t>(activity)];
}

constinit thread_local ActivityTimer* ActivityTimer::current_ = nullptr;

ActivityTimer::ActivityTimer(Activity first, Clock::time_point since)
    : activity_(first), since_(since) {
  current_ = this;
}

ActivityTimer::~ActivityTimer() {
  Enter(activity_);
  current_ = nullptr;
}

void ActivityTimer::PublishTo(ActivityTotals* totals) {
  for (size_t i = 0; i < own_.size(); ++i) Add((*totals)[i], own_[i].exchange(0));
  totals_ = totals;
}

Activity ActivityTimer::Enter(Activity next) {
  const Clock::time_point now = Clock::now();
  Add((*totals_)[static_cast<size_t>(activity_)],
      static_cast<uint64_t>(std::chrono::nanoseconds(now - since_).count()));
  since_ = now;
  return std::exchange(activity_, next);
}

}  // namespace millrace
