#include "env/watched_environment.h"

#include <utility>

#include "millrace/core/status.h"

namespace millrace {
namespace {

class WatchedEnvironment final : public Environment {
 public:
  WatchedEnvironment(std::unique_ptr<Environment> environment, EnvironmentWatcher& watcher)
      : environment_(std::move(environment)), watcher_(watcher) {}

  const EnvironmentSpec& spec() const override { return environment_->spec(); }

  absl::Status Reset(uint64_t seed, std::span<AgentSlot> agents) override {
    return Began(environment_->Reset(seed, agents));
  }
  absl::Status Step(std::span<AgentSlot> agents) override {
    MILLRACE_RETURN_IF_ERROR(environment_->Step(agents));
    watcher_.AfterStep(*environment_, agents);
    return absl::OkStatus();
  }

  std::span<const double> EpisodeStatistics() const override {
    return environment_->EpisodeStatistics();
  }
  std::optional<Drawing> Draw() const override { return environment_->Draw(); }
  absl::StatusOr<Image> Render(int width, int height) override {
    return environment_->Render(width, height);
  }

  absl::StatusOr<std::vector<double>> PhysicalState() const override {
    return environment_->PhysicalState();
  }
  ExtraState Extra() const override { return environment_->Extra(); }
  absl::Status ResetTo(std::span<const double> state, const ExtraState& extra,
                       std::span<AgentSlot> agents) override {
    return Began(environment_->ResetTo(state, extra, agents));
  }
  absl::StatusOr<std::string> SaveState() const override { return environment_->SaveState(); }
  absl::Status RestoreState(std::string_view state, std::span<AgentSlot> agents) override {
    return Began(environment_->RestoreState(state, agents));
  }

 private:
  absl::Status Began(absl::Status status) {
    if (status.ok()) watcher_.AfterReset(*environment_);
    return status;
  }

  const std::unique_ptr<Environment> environment_;
  EnvironmentWatcher& watcher_;
};

}  // namespace

std::unique_ptr<Environment> Watched(std::unique_ptr<Environment> environment,
                                     EnvironmentWatcher& watcher) {
  return std::make_unique<WatchedEnvironment>(std::move(environment), watcher);
}

}  // namespace millrace
