// metrics.jsonl: one JSON object per line.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "report/run_metrics.h"

namespace millrace {

// The keys of docs/reading_a_run.md; "policy/NAME/*" only if there are several policies, and
// "time_share/ROLE/ACTIVITY" for every role.
nlohmann::ordered_json ToJson(const RunMetrics& metrics);

// `elapsed_seconds` of the last whole line: how long earlier launches of the run took. 0 if there
// is none.
double ElapsedBefore(const std::filesystem::path& file);
// loss/* as of that line.
std::map<std::string, double> NewestLosses(const std::filesystem::path& file);

// Appends whole lines. Thread-compatible; one writer per file.
class MetricsWriter {
 public:
  // Opens or makes the file; what a killed writer left of its last line is cut off.
  static absl::StatusOr<std::unique_ptr<MetricsWriter>> Open(const std::filesystem::path& file);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  // Readers see the line when the call returns. kResourceExhausted if the disk is full.
  absl::Status Write(const RunMetrics& metrics);

 private:
  MetricsWriter(std::filesystem::path file, int fd) : file_(std::move(file)), fd_(fd) {}

  const std::filesystem::path file_;
  const int fd_;
};

}  // namespace millrace
