#include "env/hide_and_seek/transfer/task_rules.h"

#include <algorithm>
#include <limits>

namespace millrace::hide_and_seek {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

// Where each is among the names; a task's own measures follow.
enum Index : size_t { kSuccess, kSuccessAtEnd, kSuccessSteps, kReturn, kDiscarded, kMeasures };

class TaskRecord final : public Record {
 public:
  TaskRecord(const TaskRules& rules, const Episode& episode)
      : rules_(rules),
        episode_(episode),
        whole_(episode.step() == 0),
        values_(rules.StatisticNames().size(), kNothing) {}

  void Count(std::span<const float> rewards) override {
    done_ = rules_.Succeeds(episode_);
    steps_ += done_ ? 1 : 0;
    for (const float reward : rewards) return_ += reward;
  }

  std::span<const double> Finish(bool discarded) override {
    values_[kDiscarded] = discarded ? 1 : 0;
    if (discarded || !whole_) return values_;
    values_[kSuccess] = steps_ > 0 ? 1 : 0;
    values_[kSuccessAtEnd] = done_ ? 1 : 0;
    values_[kSuccessSteps] = static_cast<double>(steps_);
    values_[kReturn] = return_;
    std::ranges::copy(rules_.Measure(episode_), values_.begin() + kMeasures);
    return values_;
  }

 private:
  const TaskRules& rules_;
  const Episode& episode_;
  const bool whole_;  // it saw the episode begin
  std::vector<double> values_;
  bool done_ = false;
  int64_t steps_ = 0;
  double return_ = 0;
};

}  // namespace

TaskRules::TaskRules(const std::vector<std::string>& measures)
    : names_({"success", "success_at_end", "success_steps", "return", "discarded"}) {
  names_.insert(names_.end(), measures.begin(), measures.end());
}

std::unique_ptr<Record> TaskRules::NewRecord(const Episode& episode) const {
  return std::make_unique<TaskRecord>(*this, episode);
}

}  // namespace millrace::hide_and_seek
