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
enum class Network : uint8_t { kActor, kCritic };  // kActor also if there is one trunk for both

// Which observation fields are what, the rest being flat features; of every type but cnn. From
// `circular_channels` on, and `circular`: of type entity_attention alone.
struct EntitySpec {
  // A field [N, F] of N like things. `mask` names the field [N] that is not 0 for those which the
  // policy sees, `critic_mask` that of those which a separate critic sees; empty: all of them.
  struct Set {
    std::string field, mask = {}, critic_mask = {};
  };
  std::vector<Set> sets;
  std::vector<std::string> critic_only;  // fields that the policy does not see
  std::vector<std::string> circular;     // fields [L] or [L, C] whose end meets their beginning
  int64_t circular_channels = 9;
  int64_t circular_width = 3;
  int64_t embedding = 128;
  int64_t heads = 4;
  int64_t layers = 1;  // of self-attention
  bool layer_norm = true;
};

// Settings of type cnn: which observation fields are images, and what is convolved with them.
struct ConvolutionSpec {
  struct Layer {
    int64_t channels, kernel, stride;  // kernels are square
  };
  std::vector<std::string> images;  // fields [H, W, C] of uint8 or float32
  // Of every image, each with weights of its own. The default: Mnih et al. 2015
  // (doi:10.1038/nature14236).
  std::vector<Layer> filters = {{32, 8, 4}, {64, 4, 2}, {64, 3, 1}};
};

// The features are all observation fields but masks and images, flattened, converted to float32 and
// concatenated in spec order (F in sum).
//
//   mlp   actor:  F -> hidden -> [logits | means]     critic: F -> hidden -> value
//         (one trunk for both if shared_trunk). Each reads the flat features, then the entities of
//         every set, zeros for those that are not there, each set followed by its mask. A critic
//         that sees more than its policy: Pinto et al. 2018 (arXiv:1710.06542).
//   lstm  F -> hidden -> LSTM(lstm_size) -> [logits | means], value; always one trunk
//   gru   the same with gated recurrent units (Cho et al. 2014, arXiv:1406.1078), as LibTorch has
//         them: the reset gate is applied after the hidden state's product
//   entity_attention
//         The policy of Baker et al. 2020 (arXiv:1909.07528); actor and critic each (or one trunk
//         for both if shared_trunk):
//           self   = [flat features, act(circular convolution) of every circular field]
//           tokens = act(dense(self)), act(dense([entity, self])) of every entity that is there
//         per layer: tokens = norm(tokens + dense(attention(norm(tokens))))
//         then hidden layers over norm([mean of tokens, the first token before attention]), each
//         followed by act and norm; then LSTM(lstm_size) and norm, if any. Without layer_norm
//         every norm is left out.
//   cnn   actor and critic each (or one trunk for both if shared_trunk):
//         [every image after its convolutions, flattened as [H', W', C'], then F] -> hidden ->
//         LSTM(lstm_size), if any. Convolutions have no padding, and act behind each. uint8 images
//         are divided by 255; no image is normalised.
//
// A diagonal Gaussian's log standard deviations are free parameters, one per dimension.
struct ModelSpec {
  std::string type = "mlp";
  std::vector<int64_t> hidden = {64, 64};
  Activation activation = Activation::kTanh;
  bool shared_trunk = false;
  int64_t lstm_size = 0;  // 0: no LSTM
  int64_t gru_size = 0;   // 0: no gated recurrent unit; not with an LSTM
  // Features, by running mean and variance, versioned with the weights; entities of a set have
  // theirs in common, and so have the steps of a circular field. Images are no features.
  bool normalize_observation = false;
  bool normalize_value = false;  // the value head predicts normalised returns
  double initial_log_std = 0.0;
  EntitySpec entity;            // of type entity_attention
  ConvolutionSpec convolution;  // of type cnn
  ObservationSpec observation;
  ActionSpec action;

  // Whether one trunk feeds both heads.
  bool one_trunk() const { return shared_trunk || type == "lstm" || type == "gru"; }
  // Whether the layers behind the trunk are normalised.
  bool layer_norm() const { return type == "entity_attention" && entity.layer_norm; }
  // What names of weights begin with.
  std::string TrunkName(Network network) const;
  std::string CellName(Network network) const;
  // False for masks and images.
  bool IsFeature(const Field& field) const;
  int64_t num_features() const;
  // Units of the recurrent cell, or 0.
  int64_t recurrent_size() const { return lstm_size + gru_size; }
  // Floats of recurrent state per row: hidden, then cell (LSTM only), of the actor's (or the one)
  // recurrent cell and then of the critic's; or 0.
  int64_t state_size() const { return (one_trunk() ? 1 : 2) * (2 * lstm_size + gru_size); }

  // The types that a spec describes, for which LibTorch is not needed to act.
  static const std::vector<std::string>& BuiltinTypes();
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
// in LibTorch's order: input, forget, cell, output; those of the GRU: reset, update, new. Names:
//   {actor,critic,trunk}.I.{weight,bias}, policy_head.{weight,bias}, value_head.{weight,bias},
//   log_std, {lstm,gru,critic_lstm}.{weight_ih,weight_hh,bias_ih,bias_hh},
//   of entity_attention (T: actor, critic or trunk; every norm has weight and bias)
//     T.circular.FIELD.{weight,bias} [channels, C, width], T.self.{weight,bias},
//     T.entity.FIELD.{weight,bias} (inputs: entity, then self), T.attention.I.in_norm,
//     T.attention.I.{qkv,out}.{weight,bias}, T.attention.I.out_norm, T.pool_norm,
//     T.I.{weight,bias}, T.norm.I, {lstm,critic_lstm}_norm
//   of cnn
//     T.image.FIELD.I.{weight,bias} [channels, C, kernel, kernel], T.I.{weight,bias}
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
