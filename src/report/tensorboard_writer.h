// TensorBoard's event files: the numbers of metrics.jsonl over environment steps.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "report/run_metrics.h"

namespace millrace {

// Thread-compatible. A resumed run adds a file of its own; TensorBoard joins the files of a
// directory.
class TensorBoardWriter {
 public:
  // Makes a new file in `directory`. kResourceExhausted if it cannot.
  static absl::StatusOr<std::unique_ptr<TensorBoardWriter>> Create(
      const std::filesystem::path& directory);

  // Tags are the keys of metrics.jsonl; those without a "/" are put below "run/".
  absl::Status Write(const RunMetrics& metrics);

 private:
  explicit TensorBoardWriter(std::filesystem::path file);
  absl::Status Append(const std::string& event);

  const std::filesystem::path file_;
  std::ofstream stream_;
};

}  // namespace millrace
