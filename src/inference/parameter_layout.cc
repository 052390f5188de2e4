#include "absl/strings/str_cat.h"
#include "core/fnv1a.h"
#include "inference/entity_inputs.h"
#include "inference/image_inputs.h"
#include "millrace/inference/model_spec.h"

namespace millrace {
namespace {

class LayoutBuilder {
 public:
  void Linear(const std::string& name, int64_t in, int64_t out) {
    Add(name + ".weight", {out, in});
    Add(name + ".bias", {out});
  }
  // Hidden layers `name`.0, `name`.1, ...; returns the width of the last.
  int64_t Trunk(const std::string& name, int64_t in, const std::vector<int64_t>& hidden) {
    for (size_t i = 0; i < hidden.size(); ++i) {
      Linear(absl::StrCat(name, ".", i), in, hidden[i]);
      in = hidden[i];
    }
    return in;
  }
  void Convolution(const std::string& name, const ConvolutionShape& shape) {
    Add(name + ".weight", {shape.filters, shape.channels, shape.kernel, shape.kernel});
    Add(name + ".bias", {shape.filters});
  }
  void Norm(const std::string& name, int64_t width) {
    Add(name + ".weight", {width});
    Add(name + ".bias", {width});
  }
  void Cell(const std::string& name, int64_t in, int64_t size, int64_t gates) {
    Add(name + ".weight_ih", {gates * size, in});
    Add(name + ".weight_hh", {gates * size, size});
    Add(name + ".bias_ih", {gates * size});
    Add(name + ".bias_hh", {gates * size});
  }
  void Add(std::string name, std::vector<int64_t> shape, bool trainable = true) {
    entries_.push_back({std::move(name), std::move(shape), 0, trainable});
  }
  std::vector<ParameterEntry> Take() { return std::move(entries_); }

 private:
  std::vector<ParameterEntry> entries_;
};

// The tokens and the attention; returns the width of what is pooled.
int64_t Entities(const ModelSpec& spec, Network network, const std::string& name,
                 LayoutBuilder& builder) {
  const EntitySpec& entity = spec.entity;
  const EntityInputs inputs = EntityInputsOf(spec, network);
  for (const FeatureBlock& block : inputs.circular) {
    const std::string circular = absl::StrCat(name, ".circular.", block.field);
    builder.Add(circular + ".weight",
                {entity.circular_channels, block.width, entity.circular_width});
    builder.Add(circular + ".bias", {entity.circular_channels});
  }
  builder.Linear(name + ".self", inputs.self_width, entity.embedding);
  for (const FeatureBlock& set : inputs.sets) {
    builder.Linear(absl::StrCat(name, ".entity.", set.field), set.width + inputs.self_width,
                   entity.embedding);
  }
  for (int64_t i = 0; i < entity.layers; ++i) {
    const std::string layer = absl::StrCat(name, ".attention.", i);
    if (entity.layer_norm) builder.Norm(layer + ".in_norm", entity.embedding);
    builder.Linear(layer + ".qkv", entity.embedding, 3 * entity.embedding);
    builder.Linear(layer + ".out", entity.embedding, entity.embedding);
    if (entity.layer_norm) builder.Norm(layer + ".out_norm", entity.embedding);
  }
  if (entity.layer_norm) builder.Norm(name + ".pool_norm", 2 * entity.embedding);
  return 2 * entity.embedding;
}

// The convolutions of every image; returns the width of what the hidden layers read.
int64_t Images(const ModelSpec& spec, const std::string& name, LayoutBuilder& builder) {
  for (const ImageInput& image : ImageInputsOf(spec)) {
    for (size_t i = 0; i < image.layers.size(); ++i) {
      builder.Convolution(absl::StrCat(name, ".image.", image.field, ".", i), image.layers[i]);
    }
  }
  return JoinedWidth(spec);
}

// Trunk and cell; returns the width of what the heads read.
int64_t NetworkEntries(const ModelSpec& spec, Network network, LayoutBuilder& builder) {
  const std::string name = spec.TrunkName(network);
  int64_t width = 0;
  if (spec.type == "entity_attention") {
    width = Entities(spec, network, name, builder);
  } else if (spec.type == "cnn") {
    width = Images(spec, name, builder);
  } else {
    width = EntityInputsOf(spec, network).dense_width();
  }
  width = builder.Trunk(name, width, spec.hidden);
  if (spec.layer_norm()) {
    for (size_t i = 0; i < spec.hidden.size(); ++i) {
      builder.Norm(absl::StrCat(name, ".norm.", i), spec.hidden[i]);
    }
  }
  const int64_t units = spec.recurrent_size();
  if (units == 0) return width;
  builder.Cell(spec.CellName(network), width, units, spec.gru_size > 0 ? 3 : 4);
  if (spec.layer_norm()) builder.Norm(spec.CellName(network) + "_norm", units);
  return units;
}

std::vector<ParameterEntry> EntriesOf(const ModelSpec& spec) {
  LayoutBuilder builder;
  const int64_t features = spec.num_features();
  const int64_t outputs = spec.action.num_choices() + spec.action.continuous_size();
  int64_t width = NetworkEntries(spec, Network::kActor, builder);
  builder.Linear("policy_head", width, outputs);
  if (!spec.one_trunk()) width = NetworkEntries(spec, Network::kCritic, builder);
  builder.Linear("value_head", width, 1);
  if (spec.action.continuous_size() > 0) builder.Add("log_std", {spec.action.continuous_size()});
  if (spec.normalize_observation) {
    builder.Add("observation_mean", {features}, false);
    builder.Add("observation_variance", {features}, false);
  }
  if (spec.normalize_value) {
    builder.Add("value_mean", {1}, false);
    builder.Add("value_variance", {1}, false);
  }
  return builder.Take();
}

}  // namespace

ParameterLayout::ParameterLayout(const ModelSpec& spec) : ParameterLayout(EntriesOf(spec)) {}

ParameterLayout::ParameterLayout(std::vector<ParameterEntry> entries)
    : entries_(std::move(entries)) {
  Fnv1a hash;
  bool trainable = true;
  for (ParameterEntry& entry : entries_) {
    MILLRACE_CHECK(trainable || !entry.trainable, "trainable parameters come first");
    trainable = entry.trainable;
    entry.offset = num_floats_;
    num_floats_ += static_cast<size_t>(NumElements(entry.shape));
    if (entry.trainable) num_trainable_ = num_floats_;
    hash.Add(std::string_view(entry.name));
    hash.Add(entry.shape.data(), entry.shape.size() * sizeof(int64_t));
    hash.Add(&entry.trainable, 1);
  }
  hash_ = hash.state();
}

const ParameterEntry* ParameterLayout::Find(std::string_view name) const {
  for (const ParameterEntry& entry : entries_) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace millrace
