// The registry of LibTorch code: a user's models, algorithms and backends.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/algorithms/algorithm.h"
#include "millrace/backends/backend.h"
#include "millrace/inference/model_spec.h"
#include "millrace/models/policy.h"
#include "millrace/registry/registry.h"

// A plug-in that includes this header was built with LibTorch: MILLRACE_PLUGIN_ABI says with which.
#undef MILLRACE_TORCH_ID_
#define MILLRACE_TORCH_ID_ TORCH_VERSION

namespace millrace {

// Makes a user's own policy module.
using ModelFactory = std::function<absl::StatusOr<std::shared_ptr<Policy>>(
    const Options& options, const ObservationSpec& observation, const ActionSpec& action,
    uint64_t seed)>;

class TorchRegistry : public Registry {
 public:
  void AddModel(std::string name, ModelFactory factory, std::string line = "");
  void AddAlgorithm(std::string name, AlgorithmFactory factory, std::string line = "");
  void AddBackend(std::string name, BackendFactory factory, std::string line = "");

  // kInvalidArgument names the nearest registered name. The built-in model types (mlp, lstm) come
  // from their ModelSpec; a factory that throws is kInternal.
  absl::StatusOr<std::shared_ptr<Policy>> MakeModel(const std::string& type, const Options& options,
                                                    const ObservationSpec& observation,
                                                    const ActionSpec& action, uint64_t seed,
                                                    const std::string& where = "") const;
  absl::StatusOr<std::unique_ptr<Algorithm>> MakeAlgorithm(const std::string& type,
                                                           const Options& options,
                                                           const ActionSpec& action,
                                                           const std::string& where = "") const;
  // "auto" is "dlrm" if the model has embedding tables, else "native", which falls back to LibTorch
  // where it has no kernels.
  absl::StatusOr<std::unique_ptr<Backend>> MakeBackend(const std::string& type,
                                                       const Options& options,
                                                       std::shared_ptr<Policy> policy,
                                                       const std::string& where = "") const;
  std::vector<Listing> models() const;
  std::vector<Listing> algorithms() const;
  std::vector<Listing> backends() const;

 private:
  template <typename Factory>
  struct Entry {
    Factory factory;
    std::string line;
  };
  std::map<std::string, Entry<ModelFactory>, std::less<>> models_;
  std::map<std::string, Entry<AlgorithmFactory>, std::less<>> algorithms_;
  std::map<std::string, Entry<BackendFactory>, std::less<>> backends_;
};

TorchRegistry BuiltinTorchRegistry();

}  // namespace millrace
