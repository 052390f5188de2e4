// Whole runs of experiments, and what must be true of every one that ended in order.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "integration/millrace_process.h"

namespace millrace {

inline constexpr char kCartPole[] = MILLRACE_SOURCE_DIR "/configs/cartpole_ppo.yaml";

// Of `millrace run`, after the sub-command.
std::vector<std::string> Arguments(const std::filesystem::path& runs, const std::string& name,
                                   std::vector<std::string> settings,
                                   const std::string& file = kCartPole);

// Runs to the end and returns the summary.
nlohmann::json RunToEnd(const std::filesystem::path& runs, const std::string& name,
                        std::vector<std::string> settings, int expected_exit = 0,
                        const std::string& file = kCartPole);

// The accounting identity, and nothing in flight.
void ExpectExactAccounting(const nlohmann::json& summary);

// No process and no shared memory of the run.
void ExpectNothingLeft(const std::filesystem::path& run);

}  // namespace millrace
