#include "absl/strings/str_cat.h"
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
  void Add(std::string name, std::vector<int64_t> shape, bool trainable = true) {
    entries_.push_back({std::move(name), std::move(shape), 0, trainable});
  }
  std::vector<ParameterEntry> Take() { return std::move(entries_); }

 private:
  std::vector<ParameterEntry> entries_;
};

std::vector<ParameterEntry> EntriesOf(const ModelSpec& spec) {
  LayoutBuilder builder;
  const int64_t features = spec.num_features();
  const int64_t outputs = spec.action.num_choices() + spec.action.continuous_size();
  if (spec.type == "mlp" && !spec.shared_trunk) {
    builder.Linear("policy_head", builder.Trunk("actor", features, spec.hidden), outputs);
    builder.Linear("value_head", builder.Trunk("critic", features, spec.hidden), 1);
  } else {
    int64_t width = builder.Trunk("trunk", features, spec.hidden);
    if (spec.lstm_size > 0) {
      const int64_t gates = 4 * spec.lstm_size;
      builder.Add("lstm.weight_ih", {gates, width});
      builder.Add("lstm.weight_hh", {gates, spec.lstm_size});
      builder.Add("lstm.bias_ih", {gates});
      builder.Add("lstm.bias_hh", {gates});
      width = spec.lstm_size;
    }
    builder.Linear("policy_head", width, outputs);
    builder.Linear("value_head", width, 1);
  }
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

void HashBytes(uint64_t& hash, const void* data, size_t size) {  // FNV-1a
  for (size_t i = 0; i < size; ++i) {
    hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001B3;
  }
}

}  // namespace

ParameterLayout::ParameterLayout(const ModelSpec& spec) : ParameterLayout(EntriesOf(spec)) {}

ParameterLayout::ParameterLayout(std::vector<ParameterEntry> entries)
    : entries_(std::move(entries)) {
  hash_ = 0xCBF29CE484222325;
  bool trainable = true;
  for (ParameterEntry& entry : entries_) {
    MILLRACE_CHECK(trainable || !entry.trainable, "trainable parameters come first");
    trainable = entry.trainable;
    entry.offset = num_floats_;
    num_floats_ += static_cast<size_t>(NumElements(entry.shape));
    if (entry.trainable) num_trainable_ = num_floats_;
    HashBytes(hash_, entry.name.data(), entry.name.size());
    HashBytes(hash_, entry.shape.data(), entry.shape.size() * sizeof(int64_t));
    HashBytes(hash_, &entry.trainable, 1);
  }
}

const ParameterEntry* ParameterLayout::Find(std::string_view name) const {
  for (const ParameterEntry& entry : entries_) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace millrace
