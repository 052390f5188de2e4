// A policy network as data. From one spec come the LibTorch module (training), the native forward
// (acting, without LibTorch), the layout of the weight blob and of the checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/config/options.h"
#include "millrace/data/spaces.h"

namespace millrace {

enum class Activation : uint8_t { kTanh, kRelu };

// The features are all observation fields but the action mask, flattened, converted to float32 and
// concatenated in spec order (F in sum).
//
//   mlp   actor:  F -> hidden -> [logits | means]     critic: F -> hidden -> value
//         (one trunk for both if shared_trunk)
//   lstm  F -> hidden -> LSTM(lstm_size) -> [logits | means], value; always one trunk
//
// A diagonal Gaussian's log standard deviations are free parameters, one per dimension.
struct ModelSpec {
  std::string type = "mlp";
  std::vector<int64_t> hidden = {64, 64};
  Activation activation = Activation::kTanh;
  bool shared_trunk = false;
  int64_t lstm_size = 0;               // > 0 for type "lstm"
  bool normalize_observation = false;  // running mean and variance, versioned with the weights
  bool normalize_value = false;        // the value head predicts normalised returns
  double initial_log_std = 0.0;
  ObservationSpec observation;
  ActionSpec action;

  int64_t num_features() const;
  // Floats of recurrent state per row: 2 x lstm_size (hidden, then cell), or 0.
  int64_t state_size() const { return 2 * lstm_size; }

  // Whether a spec describes it and LibTorch is not needed to act: mlp, lstm.
  static bool IsBuiltinType(std::string_view type);
  // Reads `model:` of a policy. kInvalidArgument with the place and the nearest valid name.
  static absl::StatusOr<ModelSpec> FromOptions(const Options& options, ObservationSpec observation,
                                               ActionSpec action);
};

// One named tensor of the weight blob.
struct ParameterEntry {
  std::string name;            // as in model.safetensors, for example "actor.0.weight"
  std::vector<int64_t> shape;  // LibTorch's convention: Linear weights are [out, in]
  size_t offset = 0;           // in floats from the start of the blob
  bool trainable = true;       // false: normaliser statistics
};

// The weight blob: float32, entries one after another, trainable ones first. Gates of the LSTM are
// in LibTorch's order: input, forget, cell, output. Names:
//   {actor,critic,trunk}.I.{weight,bias}, policy_head.{weight,bias}, value_head.{weight,bias},
//   log_std, lstm.{weight_ih,weight_hh,bias_ih,bias_hh},
//   observation_mean, observation_variance, value_mean, value_variance
class ParameterLayout {
 public:
  ParameterLayout() = default;
  explicit ParameterLayout(const ModelSpec& spec);
  explicit ParameterLayout(std::vector<ParameterEntry> entries);

  const std::vector<ParameterEntry>& entries() const { return entries_; }
  const ParameterEntry* Find(std::string_view name) const;
  size_t num_floats() const { return num_floats_; }
  size_t num_trainable() const { return num_trainable_; }
  size_t bytes() const { return num_floats_ * sizeof(float); }
  uint64_t hash() const { return hash_; }

 private:
  std::vector<ParameterEntry> entries_;
  size_t num_floats_ = 0;
  size_t num_trainable_ = 0;
  uint64_t hash_ = 0;
};

}  // namespace millrace
