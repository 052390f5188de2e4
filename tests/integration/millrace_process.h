// Runs the real `millrace` binary for integration tests.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace millrace {

struct CommandOutput {
  int exit_code = -1;  // 128 + signal if it was killed
  std::string out, err;
};

// Waits for the end; kills it after `timeout` (the exit code then is 128 + SIGKILL).
CommandOutput RunMillrace(const std::vector<std::string>& arguments,
                          std::chrono::seconds timeout = std::chrono::seconds(120),
                          const std::string& input = "");

// A running `millrace run` or `resume`.
class LiveRun {
 public:
  // arguments: as on the command line after the sub-command.
  LiveRun(const std::string& command, const std::vector<std::string>& arguments,
          std::filesystem::path run_directory);
  ~LiveRun();  // kills what is left
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;

  void Signal(int signal);
  int Wait(std::chrono::seconds timeout = std::chrono::seconds(120));
  // Polls until `condition` holds; false at the deadline or when the run has ended.
  bool Until(const std::function<bool()>& condition,
             std::chrono::seconds timeout = std::chrono::seconds(60));

  // The newest line of metrics.jsonl; an empty object before the first.
  nlohmann::json Metrics() const;
  // Process ids of living workers of a role, from the ledgers.
  std::vector<pid_t> Pids(const std::string& role) const;

 private:
  std::filesystem::path directory_;
  pid_t pid_ = -1;
  int exit_code_ = -1;
};

nlohmann::json ReadJson(const std::filesystem::path& file);
// A directory of its own below the test's temporary directory, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace millrace
