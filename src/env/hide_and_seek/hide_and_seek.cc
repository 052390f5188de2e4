#include "env/hide_and_seek/hide_and_seek.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/hide_and_seek/episode.h"
#include "env/hide_and_seek/episode_state.h"
#include "env/hide_and_seek/observation.h"
#include "env/hide_and_seek/picture.h"
#include "env/hide_and_seek/record.h"
#include "env/hide_and_seek/rules.h"
#include "env/hide_and_seek/transfer/transfer_settings.h"
#include "env/hide_and_seek/view.h"
#include "millrace/core/status.h"

namespace millrace {
namespace hide_and_seek {
namespace {

ActionSpec Actions() {
  ActionSpec spec;
  const auto add = [&spec](const char* name, int32_t choices) {
    ActionComponent component = ActionSpec::Discrete(choices).components.front();
    component.name = name;
    spec.components.push_back(component);
  };
  for (const char* move : {"force_x", "force_y", "torque"}) add(move, kMoveChoices);
  for (const char* use : {"pull", "lock"}) add(use, 2);
  return spec;
}

class HideAndSeek final : public Environment {
 public:
  explicit HideAndSeek(const Settings& settings) : settings_(settings), observer_(settings) {
    const auto add = [this](const char* team, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        spec_.agents.push_back({absl::StrCat(team, "_", i), observer_.spec(), Actions()});
      }
    };
    add("hider", settings.hiders.high);
    add("seeker", settings.seekers.high);
    actions_.resize(spec_.agents.size());
    rewards_.resize(spec_.agents.size());
    sums_.resize(spec_.agents.size());
    observations_.resize(spec_.agents.size());
    spec_.statistics = MakeRules(settings)->StatisticNames();
  }

  const EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t seed, std::span<AgentSlot> slots) override {
    Rng rng(seed, kWorldStream);
    MILLRACE_ASSIGN_OR_RETURN(World world, DrawWorld(settings_, rng));
    MILLRACE_ASSIGN_OR_RETURN(auto episode, Episode::Begin(settings_, std::move(world), seed));
    Begin(std::move(episode), slots);
    return absl::OkStatus();
  }

  absl::Status Step(std::span<AgentSlot> slots) override {
    const int agents = episode_->num_agents();
    for (int agent = 0; agent < agents; ++agent) {
      const auto choices = SlotOf(agent, slots).discrete;
      actions_[static_cast<size_t>(agent)] = {
          {choices[0], choices[1], choices[2]}, choices[3] != 0, choices[4] != 0};
    }
    std::ranges::fill(sums_, 0);
    bool ended = false, over = false;
    for (int64_t i = 0; i < settings_.action_repeat && !ended && !over; ++i) {
      const std::span<float> rewards = std::span(rewards_).first(static_cast<size_t>(agents));
      if (!episode_->Step(std::span(actions_).first(static_cast<size_t>(agents)), rewards)) {
        Discard(slots);
        finished_ = record_->Finish(/*discarded=*/true);
        return absl::OkStatus();
      }
      record_->Count(rewards);
      std::ranges::transform(rewards, sums_, sums_.begin(), std::plus());
      ended = episode_->ended();
      over = episode_->over();
    }
    if (ended || over) finished_ = record_->Finish(/*discarded=*/false);
    for (int agent = 0; agent < agents; ++agent) {
      AgentSlot& slot = SlotOf(agent, slots);
      slot.reward = sums_[static_cast<size_t>(agent)];
      slot.terminated = ended;
      slot.truncated = over && !ended;
    }
    Show(slots);
    return absl::OkStatus();
  }

  std::span<const double> EpisodeStatistics() const override { return finished_; }

  std::optional<Drawing> Draw() const override {
    if (episode_ == nullptr) return std::nullopt;
    return DrawEpisode(settings_, *episode_);
  }
  absl::StatusOr<Image> Render(int width, int height) override {
    if (episode_ == nullptr) return absl::FailedPreconditionError("there is no episode to show");
    return RenderEpisode(settings_, *episode_, width, height, renderer_);
  }

  absl::StatusOr<std::vector<double>> PhysicalState() const override {
    std::vector<double> state;
    if (episode_ == nullptr) return state;
    const Scene& scene = episode_->scene();
    state.assign(scene.qpos().begin(), scene.qpos().end());
    state.insert(state.end(), scene.qvel().begin(), scene.qvel().end());
    return state;
  }
  ExtraState Extra() const override {
    return episode_ == nullptr ? ExtraState() : WriteExtra(*episode_);
  }
  absl::Status ResetTo(std::span<const double> state, const ExtraState& extra,
                       std::span<AgentSlot> slots) override {
    MILLRACE_ASSIGN_OR_RETURN(auto episode, ReadEpisode(settings_, state, extra, episode_.get()));
    Begin(std::move(episode), slots);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> SaveState() const override {
    return episode_ == nullptr ? std::string() : SaveEpisode(*episode_);
  }
  absl::Status RestoreState(std::string_view saved, std::span<AgentSlot> slots) override {
    MILLRACE_ASSIGN_OR_RETURN(auto episode, RestoreEpisode(settings_, saved));
    Begin(std::move(episode), slots);
    return absl::OkStatus();
  }

 private:
  size_t SlotIndex(int agent) const {
    return static_cast<size_t>(episode_->is_hider(agent)
                                   ? agent
                                   : settings_.hiders.high + agent - episode_->world().hiders);
  }
  AgentSlot& SlotOf(int agent, std::span<AgentSlot> slots) const { return slots[SlotIndex(agent)]; }

  void Begin(std::unique_ptr<Episode> episode, std::span<AgentSlot> slots) {
    finished_ = {};
    record_.reset();
    renderer_.reset();
    episode_ = std::move(episode);
    record_ = episode_->rules().NewRecord(*episode_);
    Show(slots);
  }

  void Show(std::span<AgentSlot> slots) {
    for (AgentSlot& slot : slots) slot.present = false;
    for (int agent = 0; agent < episode_->num_agents(); ++agent) {
      AgentSlot& slot = SlotOf(agent, slots);
      slot.present = true;
      observer_.Write(*episode_, agent, slot.observation);
      Keep(slot.observation, observations_[static_cast<size_t>(agent)]);
    }
  }

  // What agents saw last is the last that is worth anything.
  void Discard(std::span<AgentSlot> slots) {
    for (int agent = 0; agent < episode_->num_agents(); ++agent) {
      AgentSlot& slot = SlotOf(agent, slots);
      slot.truncated = true;
      const std::byte* next = observations_[static_cast<size_t>(agent)].data();
      for (const TensorView& view : slot.observation) {
        std::memcpy(view.data, next, view.bytes());
        next += view.bytes();
      }
    }
  }

  static void Keep(std::span<const TensorView> views, std::vector<std::byte>& copy) {
    size_t size = 0;
    for (const TensorView& view : views) size += view.bytes();
    copy.resize(size);
    std::byte* next = copy.data();
    for (const TensorView& view : views) next = std::copy_n(view.data, view.bytes(), next);
  }

  const Settings settings_;
  const Observer observer_;
  EnvironmentSpec spec_;
  std::unique_ptr<Episode> episode_;
  // Of the running episode.
  std::unique_ptr<Record> record_;
  std::unique_ptr<MujocoRenderer> renderer_;
  std::span<const double> finished_;                  // of the one that ended last
  std::vector<Action> actions_;                       // scratch of a step, per agent of the episode
  std::vector<float> rewards_, sums_;                 // likewise; sums over repeated actions
  std::vector<std::vector<std::byte>> observations_;  // what each agent saw last
};

absl::StatusOr<std::unique_ptr<Environment>> Make(const Options& options, const std::string& name) {
  MILLRACE_ASSIGN_OR_RETURN(const Settings settings, ReadSettings(options, name));
  return std::make_unique<HideAndSeek>(settings);
}

absl::StatusOr<std::unique_ptr<Environment>> MakeTask(const Options& options, Game game,
                                                      const std::string& name) {
  MILLRACE_ASSIGN_OR_RETURN(const Settings settings, ReadTransferSettings(options, game, name));
  return std::make_unique<HideAndSeek>(settings);
}

}  // namespace
}  // namespace hide_and_seek

absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekQuadrant(const Options& options) {
  return hide_and_seek::Make(options, "hide_and_seek_quadrant");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekFull(const Options& options) {
  return hide_and_seek::Make(options, "hide_and_seek_full");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekLarge(const Options& options) {
  return hide_and_seek::Make(options, "hide_and_seek_large");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekLockAndReturn(const Options& options) {
  return hide_and_seek::MakeTask(options, hide_and_seek::Game::kLockAndReturn,
                                 "hide_and_seek_lock_and_return");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekSequentialLock(const Options& options) {
  return hide_and_seek::MakeTask(options, hide_and_seek::Game::kSequentialLock,
                                 "hide_and_seek_sequential_lock");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekBlueprint(const Options& options) {
  return hide_and_seek::MakeTask(options, hide_and_seek::Game::kBlueprint,
                                 "hide_and_seek_blueprint");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekShelter(const Options& options) {
  return hide_and_seek::MakeTask(options, hide_and_seek::Game::kShelter, "hide_and_seek_shelter");
}
absl::StatusOr<std::unique_ptr<Environment>> MakeHideAndSeekCounting(const Options& options) {
  return hide_and_seek::MakeTask(options, hide_and_seek::Game::kCounting, "hide_and_seek_counting");
}

}  // namespace millrace
