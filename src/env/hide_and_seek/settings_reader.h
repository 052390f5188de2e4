// Reads settings of hide and seek and its transfer tasks from the options of an experiment.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "env/hide_and_seek/settings.h"
#include "millrace/config/options.h"

namespace millrace::hide_and_seek {

template <typename Enum>
using Named = std::pair<const char*, Enum>;

// Each Ask() replaces `value` if there is such an option. Keeps the first wrong list until
// Finish(), as Options keeps what it finds itself.
class SettingsReader {
 public:
  explicit SettingsReader(const Options& options) : options_(options) {}

  void Ask(const char* key, bool& value) { value = options_.GetBool(key, value); }
  void Ask(const char* key, double& value, double low, double high) {
    value = options_.GetDouble(key, value, low, high);
  }
  void Ask(const char* key, int64_t& value, int64_t low, int64_t high) {
    value = options_.GetInt(key, value, low, high);
  }
  void Ask(const char* key, int& value, int low, int high) {
    value = static_cast<int>(options_.GetInt(key, value, low, high));
  }
  // One number, or the lowest and the highest.
  void Ask(const char* key, Range& value, int64_t low, int64_t high);
  template <typename Enum, size_t kCount>
  void Ask(const char* key, Enum& value, const Named<Enum> (&names)[kCount]) {
    std::vector<std::string> choices;
    for (const auto& [name, choice] : names) choices.emplace_back(name);
    const auto* const now = std::ranges::find(names, value, &Named<Enum>::second);
    const std::string chosen = options_.GetChoice(key, now->first, choices);
    value = std::ranges::find(names, chosen, &Named<Enum>::first)->second;
  }
  // [lowest, highest].
  void Ask(const char* key, std::array<double, 2>& value, double low, double high);
  void AskArea(const char* key, std::array<double, 4>& value);

  // The same options in all games: walls, and what agents can do and see.
  void AskFloor(Settings& settings);
  void AskAbilities(Settings& settings);

  // kInvalidArgument with the place of the first wrong option. `name`: of the environment.
  absl::Status Finish(const std::string& name) const;

 private:
  void AskOne(const char* key, Range& value, int64_t low, int64_t high);
  void Complain(const std::string& key, const std::string& expected);

  const Options& options_;
  std::string complaint_;
};

}  // namespace millrace::hide_and_seek
