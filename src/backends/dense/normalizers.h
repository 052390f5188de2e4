// Observation normalisers of a built-in model, and value normalisers of any.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "backends/dense/flat_parameters.h"
#include "backends/dense/running_statistics.h"
#include "inference/entity_inputs.h"
#include "millrace/backends/backend.h"
#include "models/builtin_policy.h"

namespace millrace {

// Keeps running statistics and writes them, as float32, into the policy's buffers. Entities of one
// set are samples of the same numbers, wherever in the set they stand, and so are the steps of a
// circular field; an entity that no network sees is none. When the value statistics change, the
// value head is rescaled so that values in reward units stay what they were (PopArt: van Hasselt et
// al. 2016, arXiv:1602.07714). Bound to one thread.
class Normalizers {
 public:
  // `policy` may be null: not a built-in model, whose observations are as they are. Values are
  // normalised if there are value_mean and value_variance (Policy).
  Normalizers(const BuiltinPolicy* policy, const FlatParameters& parameters);

  // See Backend::UpdateNormalizers.
  absl::Status Update(const TensorDict& batch, const torch::Tensor& value_targets,
                      Collectives& group);
  torch::Tensor DenormalizeValue(const torch::Tensor& value) const;
  torch::Tensor NormalizeValue(const torch::Tensor& value) const;

  // Takes mean and variance from the policy's buffers, after weights were loaded.
  void ReadBuffers();
  // The statistics by name, as views.
  std::map<std::string, torch::Tensor> State();

 private:
  // Features that share their statistics.
  struct Block {
    FeatureBlock features;
    std::string mask;  // the batch's field, or ""
    RunningStatistics statistics;
  };
  void AddBlocks(const ModelSpec& spec, torch::Device device);
  torch::Tensor BlockSums(const Block& block, const TensorDict& batch,
                          const torch::Tensor& features) const;
  void WriteObservation();
  void WriteValue();
  torch::Tensor ValueScale() const;  // [1]

  const BuiltinPolicy* policy_;
  torch::Tensor observation_mean_, observation_variance_, value_mean_, value_variance_;
  torch::Tensor value_weight_, value_bias_;
  std::vector<Block> observation_;
  std::optional<RunningStatistics> value_;
};

}  // namespace millrace
