// Samples that are read, not simulated: what happened once, or what a generator makes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/data/schema.h"
#include "millrace/data/spaces.h"
#include "millrace/data/tensor_view.h"

namespace millrace {

class Options;

// What a sample is labelled with, if there is one label: float32.
inline constexpr char kLabel[] = "label";

struct DatasetSpec {
  ObservationSpec observation;  // what a model sees of a sample
  std::vector<Field> labels;    // what an algorithm sees besides
  int64_t samples = 0;          // 0: there is no end
};

// The fields of a sample by their names in streams and batches: observations, then labels.
std::vector<Field> SampleFields(const DatasetSpec& spec, Extent extent);

// kInvalidArgument if fields are not as a stream may have them, or not those of the features of
// ids.
absl::Status CheckSpec(const DatasetSpec& spec);

enum class DatasetSplit : uint8_t { kTrain, kHeldOut };

// A numbered sequence: sample i is the same whoever reads it. Thread-compatible.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual const DatasetSpec& spec() const = 0;
  // Samples [first, first + count), which exist, into one view [count, ...] per field, in the order
  // of SampleFields(). kDataLoss names what is wrong with which sample.
  virtual absl::Status Read(int64_t first, int64_t count, std::span<const TensorView> fields) = 0;
};

using DatasetFactory = std::function<absl::StatusOr<std::unique_ptr<Dataset>>(
    const Options& options, DatasetSplit split)>;

// As Dataset::Read(), of any `first`: a dataset that ends begins anew behind its last sample.
// kDataLoss if a sample is not as the spec says: numbers that are not finite, ids that there are
// not, lists that are too long.
absl::Status ReadRound(Dataset& dataset, int64_t first, int64_t count,
                       std::span<const TensorView> fields);

}  // namespace millrace
