// TrueSkill (Herbrich, Minka & Graepel 2006, "TrueSkill: A Bayesian skill rating system") for games
// of two sides: how strong each player is, as a normal distribution.
#pragma once

namespace millrace {

struct Rating {
  double mean = 25;
  double deviation = 25.0 / 3;
};

struct TrueSkillOptions {
  double performance = 25.0 / 6;  // deviation of how a player plays around its strength
  double drift = 0;               // deviation by which strengths change between games
  double draw_chance = 0.1;       // of players of equal strength; in [0, 1)
};

enum class Outcome { kWin, kDraw, kLoss };  // of the first player

// Moves both ratings by what one game says. Value type.
class TrueSkill {
 public:
  explicit TrueSkill(const TrueSkillOptions& options);
  void Update(Outcome outcome, Rating& first, Rating& second) const;

 private:
  const TrueSkillOptions options_;
  const double draw_margin_;
};

}  // namespace millrace
