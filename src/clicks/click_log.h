// Logs of clicks in the format of Criteo's public ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/data/dataset.h"

namespace millrace::clicks {

struct ClickLogOptions {
  std::filesystem::path file;
  int64_t dense = 13;
  int64_t features = 26;
  int64_t rows = 1'000'000;  // of each feature: ids are hexadecimal numbers modulo this
};

// A text file with a line a sample, fields separated by tabs: the label (0 or 1), integers, and
// hexadecimal ids. An integer n becomes log(1 + n), one below 0 or none becomes 0; a feature
// without an id has none. Fields as ClickSpec(). Lines are found by an index that is made when the
// file is opened.
class ClickLog : public Dataset {
 public:
  // kNotFound; kDataLoss if there is no line, or a last one without its end.
  static absl::StatusOr<std::unique_ptr<ClickLog>> Open(const ClickLogOptions& options);
  ~ClickLog() override;

  const DatasetSpec& spec() const override { return spec_; }
  // kDataLoss: "FILE:LINE: expected ..., got ...".
  absl::Status Read(int64_t first, int64_t count, std::span<const TensorView> fields) override;

 private:
  explicit ClickLog(const ClickLogOptions& options);
  absl::Status MakeIndex();
  // From the beginning of line `number`, of which `text` is the rest of the file.
  std::string_view From(int64_t number) const;
  absl::Status Complain(int64_t line, std::string_view expected, std::string_view got) const;

  const ClickLogOptions options_;
  DatasetSpec spec_;
  std::string_view text_;          // mapped
  std::vector<size_t> landmarks_;  // where every 256th line begins
};

}  // namespace millrace::clicks
