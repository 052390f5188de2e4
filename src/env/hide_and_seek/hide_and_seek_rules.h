// The rules of hide and seek itself.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "env/hide_and_seek/episode.h"
#include "env/hide_and_seek/rules.h"

namespace millrace::hide_and_seek {

// Seekers stand still in the preparation; after it hiders are paid 1 while nobody sees them and -1
// else, seekers the opposite, everybody -10 outside; hiders eat.
class HideAndSeekRules final : public Rules {
 public:
  explicit HideAndSeekRules(const Settings& settings) : settings_(settings) {}

  void BeginStep(Episode& episode) override { SeeFood(episode); }
  Action Allowed(const Episode& episode, int agent, const Action& action) const override;
  void Pay(Episode& episode, std::span<const Action> actions, std::span<float> rewards) override;
  double Progress(const Episode& episode) const override;
  const std::vector<std::string>& StatisticNames() const override;
  std::unique_ptr<Record> NewRecord(const Episode& episode) const override;

 private:
  void SeeFood(const Episode& episode);
  void Eat(Episode& episode);
  // A hider is seen, or a seeker sees.
  static bool InSight(const Episode& episode, int agent);

  const Settings settings_;
  // Scratch of a step: [agents, sites], [agents].
  std::vector<uint8_t> eats_;
  std::vector<double> eaten_;
};

}  // namespace millrace::hide_and_seek
