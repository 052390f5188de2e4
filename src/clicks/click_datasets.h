// Factories of the datasets of clicks that Millrace comes with.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "millrace/config/options.h"
#include "millrace/data/dataset.h"

namespace millrace::clicks {

// TeacherClicks. Options: seed.
absl::StatusOr<std::unique_ptr<Dataset>> MakeTeacherClicks(const Options& options,
                                                           DatasetSplit split);
// RandomClicks. Options: features, rows, bag, fixed_bag, dense, seed.
absl::StatusOr<std::unique_ptr<Dataset>> MakeRandomClicks(const Options& options,
                                                          DatasetSplit split);
// ClickLog. Options: file, held_out_file, dense, features, rows.
absl::StatusOr<std::unique_ptr<Dataset>> MakeClickLog(const Options& options, DatasetSplit split);

}  // namespace millrace::clicks
