// Recommendation of slates by ids: the interest evolution environment of RecSim (Ie et al. 2019,
// arXiv:1909.04847), of whose users and items nothing is seen but their ids.
//
// An item has a topic and a quality, a user an interest in each topic. In every step a policy puts
// `slate` of the candidates, drawn by popularity, before the user, who takes one of them or none,
// by chance, with weights of 1 + interest each and 2 for none. What is taken is watched for 4 units
// of time, which are the reward, moves the interest in its topic, and costs patience: 4 units, less
// of good items and more of bad ones. Taking none costs 0.5. The episode terminates when patience,
// 200 at first, is used up. So whoever pleases a user now learns little; whoever knows which items
// are good keeps users for longer.
#pragma once

#include <array>
#include <cstdint>

#include "core/zipf.h"
#include "millrace/env/environment.h"

namespace millrace {

inline constexpr int64_t kTopics = 20;

// What is hidden: functions of the world's seed and an id.
class RecSlateWorld {
 public:
  struct Item {
    size_t topic = 0;
    double quality = 0;  // about -3 to 3
  };
  using Interests = std::array<double, kTopics>;  // -1 to 1

  RecSlateWorld(uint64_t seed, int64_t items);

  int64_t items() const { return items_; }
  Item ItemOf(int64_t id) const;
  Interests InterestsOf(int64_t user) const;
  // By popularity: the k-th most popular with a weight of k^-1.05.
  int64_t DrawItem(Rng& rng) const;

 private:
  const uint64_t seed_;
  const int64_t items_;
  const Zipf popularity_;
  int64_t factor_;  // the k-th most popular item is factor_ * k, modulo the items
};

struct RecSlateOptions {
  int candidates = 10;
  int slate = 3;
  int64_t items = 100'000;
  int64_t users = 1'000'000;
  bool hide_items = false;
  uint64_t world = 24;  // a random policy has 150 there, as in most; popular items make much of it
  int64_t max_episode_steps = 2000;
};

// Observation: ids of the features candidate_0, ..., watched and skipped (the newest 20 of each,
// which share the table `item`), user, patience and step (buckets of 10). Action: which slate,
// numbered as Subsets() does.
class RecSlate : public Environment {
 public:
  explicit RecSlate(const RecSlateOptions& options);

  const EnvironmentSpec& spec() const override { return spec_; }
  absl::Status Reset(uint64_t seed, std::span<AgentSlot> agents) override;
  absl::Status Step(std::span<AgentSlot> agents) override;
  // Mean quality of what was watched; the share of steps in which something was.
  std::span<const double> EpisodeStatistics() const override { return statistics_; }
  absl::StatusOr<std::string> SaveState() const override;
  absl::Status RestoreState(std::string_view state, std::span<AgentSlot> agents) override;

  // For oracles of tests.
  const RecSlateWorld& world() const { return world_; }
  const std::vector<int64_t>& candidates() const { return candidates_; }
  const RecSlateWorld::Interests& interests() const { return interests_; }

 private:
  static constexpr size_t kHistory = 20;
  // The newest first.
  struct History {
    std::array<int64_t, kHistory> items{};
    int64_t count = 0;
    void Add(int64_t item);
  };

  // Which of its items is watched, or -1.
  int Choose(std::span<const int64_t> slate, Rng& rng) const;
  void Watch(int64_t item, Rng& rng, AgentSlot& agent);
  void DrawCandidates();
  void Write(const AgentSlot& agent) const;

  const RecSlateOptions options_;
  const RecSlateWorld world_;
  const std::vector<std::vector<int64_t>> slates_;  // candidates of each
  EnvironmentSpec spec_;
  uint64_t seed_ = 0;
  int64_t step_ = 0, user_ = 0, watches_ = 0;
  double patience_ = 0, quality_ = 0;  // quality_: the sum of what was watched
  RecSlateWorld::Interests interests_{};
  History watched_, skipped_;
  std::vector<int64_t> candidates_;  // a function of seed_ and step_
  std::array<double, 2> statistics_{};
};

}  // namespace millrace
