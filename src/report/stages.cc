#include "report/stages.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

namespace millrace {

StageDetector::StageDetector(const ReportConfig& config)
    : stages_(config.stages), episodes_(static_cast<uint64_t>(config.stage_episodes)) {}

void StageDetector::Add(const Line& line) {
  if (reached_.size() == stages_.size()) return;
  // Nothing new, or a run that was resumed from before.
  if (!window_.empty() && line.episodes <= window_.back().episodes) return;
  window_.push_back(line);
  // The first line stands for where the window begins.
  while (window_.size() > 2 && window_[1].episodes + episodes_ <= line.episodes) {
    window_.pop_front();
  }
  if (window_.front().episodes + episodes_ > line.episodes) return;
  while (reached_.size() < stages_.size() && Holds(stages_[reached_.size()])) {
    reached_.push_back(
        {stages_[reached_.size()].name, line.env_steps, line.episodes, line.elapsed_seconds});
  }
}

bool StageDetector::Mean(const std::string& statistic, double& mean) const {
  double sum = 0;
  for (size_t i = 1; i < window_.size(); ++i) {
    const auto found = window_[i].environment.find("environment/" + statistic);
    if (found == window_[i].environment.end()) return false;
    sum += found->second * static_cast<double>(window_[i].episodes - window_[i - 1].episodes);
  }
  mean = sum / static_cast<double>(window_.back().episodes - window_.front().episodes);
  return true;
}

bool StageDetector::Holds(const StageConfig& stage) const {
  double mean = 0;
  return std::ranges::all_of(stage.above,
                             [&](const auto& threshold) {
                               return Mean(threshold.first, mean) && mean > threshold.second;
                             }) &&
         std::ranges::all_of(stage.below, [&](const auto& threshold) {
           return Mean(threshold.first, mean) && mean < threshold.second;
         });
}

void StageDetector::AddFile(const std::filesystem::path& metrics) {
  std::ifstream stream(metrics);
  for (std::string text; std::getline(stream, text);) {
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("episodes") || !json.contains("env_steps")) continue;
    Line line{.env_steps = json["env_steps"].get<uint64_t>(),
              .episodes = json["episodes"].get<uint64_t>(),
              .elapsed_seconds = json.value("elapsed_seconds", 0.0),
              .environment = {}};
    for (const auto& [key, value] : json.items()) {
      if (key.starts_with("environment/") && value.is_number()) line.environment[key] = value;
    }
    Add(line);
  }
}

}  // namespace millrace
