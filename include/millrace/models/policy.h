// A policy network in LibTorch, for training. The built-in models implement it from a ModelSpec;
// your own module is a subclass registered with TorchRegistry::AddModel
// (docs/writing_an_algorithm.md).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "millrace/data/spaces.h"
#include "millrace/inference/model_spec.h"
#include "millrace/models/torch.h"

namespace millrace {

// Named tensors that share their leading dimensions. Thread-compatible.
using TensorDict = std::map<std::string, torch::Tensor>;

// What a policy computes for a batch with leading dimensions [...]. An undefined tensor means that
// the action has no such part.
struct HeadOutputs {
  torch::Tensor logits;   // [..., num_choices], masked choices at -1e9
  torch::Tensor mean;     // [..., continuous_size]
  torch::Tensor log_std;  // [continuous_size]
  torch::Tensor value;    // [...], normalised if the model normalises values
  // Recurrent policies: [N, state_size] after the last step. Only the acting side reads it.
  torch::Tensor state = {};
};

// A module with buffers `value_mean` and `value_variance` [1], whose value is the output of a layer
// `value_head` with `weight` [1, ...] and `bias` [1], has its values normalised by running
// statistics of their targets, which the backend keeps there (PopArt: van Hasselt et al. 2016,
// arXiv:1602.07714).
//
// Bound to one thread.
class Policy : public torch::nn::Module {
 public:
  // `observation` holds the observation fields by name ("observation/x", with
  // "observation/action_mask" among them if there is one); in training it also holds the batch's
  // other fields, which are not there when the policy acts.
  //
  // Feed-forward (state_size() == 0): fields [N, ...]; of algorithms that train whole sequences
  // (TrainingPlan::Unit::kSequences) [T+1, N, ...]. `first` and `state` are undefined. Heads have
  // the fields' leading dimensions.
  //
  // Recurrent: fields [L, N, ...] of L consecutive steps; `first` uint8 [L, N] marks steps before
  // which the state restarts from zero; `state` float32 [N, state_size] is the state before step 0.
  // Heads [L, N, ...], and the state after the last step. Acting is the same with L = 1.
  virtual HeadOutputs Forward(const TensorDict& observation, const torch::Tensor& first,
                              const torch::Tensor& state) = 0;
  virtual int64_t state_size() const { return 0; }  // floats per row
  // The layout of the weight blob: every parameter and buffer of the module by name (float32). By
  // default in the order in which they were registered.
  virtual ParameterLayout layout() const;
};

// The LibTorch module of a built-in model. Orthogonal initialisation (Saxe et al. 2014): gain
// sqrt(2) in the trunk, 0.01 in the policy head, 1 in the value head; biases 0. Parameter names as
// in ParameterLayout.
absl::StatusOr<std::shared_ptr<Policy>> MakePolicy(const ModelSpec& spec, uint64_t seed);

}  // namespace millrace
