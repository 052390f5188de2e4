// Short whole runs that are measured and thrown away: `millrace bench dataflow` and `millrace
// tune`.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace millrace {

// A temporary directory for their run directories; removed at the end.
class TrialDirectory {
 public:
  static absl::StatusOr<std::unique_ptr<TrialDirectory>> Make();
  ~TrialDirectory();
  TrialDirectory(const TrialDirectory&) = delete;
  TrialDirectory& operator=(const TrialDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TrialDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  const std::filesystem::path path_;
};

// Runs `millrace run CONFIG --set ...` in a run directory `name` below `runs`, which must be new.
// Returns its summary.json. kInternal if the run fails.
absl::StatusOr<nlohmann::json> RunTrial(const std::filesystem::path& runs, const std::string& name,
                                        const std::string& config,
                                        const std::vector<std::string>& set);

// The object in `file`, which a program that ended with `code` has written. kInternal, with `name`,
// if there is none or the code is not 0.
absl::StatusOr<nlohmann::json> ReadTrialResult(const std::filesystem::path& file,
                                               const std::string& name, int code);

}  // namespace millrace
