// What a run can be made of: environments, datasets and sample fields (Registry, without LibTorch),
// models, algorithms and backends (TorchRegistry). Filled explicitly, by BuiltinRegistry() and by
// plug-ins.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/data/dataset.h"
#include "millrace/data/schema.h"
#include "millrace/data/tensor_view.h"
#include "millrace/env/environment.h"
#include "millrace/env/vector_environment.h"

namespace millrace {

// What an actor knows about one step of one group when a sample field is computed: every view is
// [B, ...].
struct StepView {
  std::map<std::string, TensorView, std::less<>> fields;  // the standard per-step fields, by name
};
// Fills `out` [B, ...] for one step.
using SampleFieldFunction = std::function<void(const StepView& step, TensorView out)>;

struct SampleField {
  Field field;  // extent kSteps
  SampleFieldFunction compute;
};

// Names are unique: a second registration of a name is an error when the registry is used.
// Thread-compatible; constant once the process has started its work.
class Registry {
 public:
  virtual ~Registry() = default;

  // `line` is what `millrace list environments` prints.
  void AddEnvironment(std::string name, EnvironmentFactory factory, std::string line = "");
  // A struct-of-arrays environment that steps a whole group at once.
  void AddVectorEnvironment(std::string name, VectorEnvironmentFactory factory,
                            std::string line = "");
  void AddDataset(std::string name, DatasetFactory factory, std::string line = "");
  void AddSampleField(Field field, SampleFieldFunction compute);

  // A group of `count` environments of a registered type (vectorised natively or by the runner).
  // kInvalidArgument names the nearest registered name.
  absl::StatusOr<std::unique_ptr<VectorEnvironment>> MakeVectorEnvironment(
      const std::string& name, const Options& options, int count,
      const std::string& where = "") const;
  // One environment, for `millrace env step`. For vector-only types a group of one behind the
  // interface.
  absl::StatusOr<std::unique_ptr<Environment>> MakeEnvironment(const std::string& name,
                                                               const Options& options,
                                                               const std::string& where = "") const;
  absl::StatusOr<std::unique_ptr<Dataset>> MakeDataset(const std::string& name,
                                                       const Options& options, DatasetSplit split,
                                                       const std::string& where = "") const;
  const SampleField* FindSampleField(std::string_view name) const;

  struct Listing {
    std::string name;
    std::string line;
  };
  std::vector<Listing> environments() const;
  std::vector<Listing> datasets() const;
  // Registration errors so far (repeated names).
  absl::Status status() const { return status_; }

 protected:
  void Complain(std::string_view what, std::string_view name);

 private:
  struct EnvironmentEntry {
    EnvironmentFactory one;
    VectorEnvironmentFactory many;
    std::string line;
  };
  struct DatasetEntry {
    DatasetFactory factory;
    std::string line;
  };
  std::map<std::string, EnvironmentEntry, std::less<>> environments_;
  std::map<std::string, DatasetEntry, std::less<>> datasets_;
  std::map<std::string, SampleField, std::less<>> sample_fields_;
  absl::Status status_;
};

// The environments and datasets Millrace comes with.
Registry BuiltinRegistry();
void RegisterBuiltins(Registry& registry);

}  // namespace millrace
