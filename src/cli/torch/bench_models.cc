#include "cli/torch/bench_models.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "inference/image_inputs.h"
#include "millrace/core/nearest_name.h"

namespace millrace {
namespace {

ModelSpec Spec(const std::string& type, std::vector<int64_t> hidden, int64_t recurrent_size,
               int64_t features, ActionSpec action) {
  ModelSpec spec;
  spec.type = type;
  spec.hidden = std::move(hidden);
  spec.shared_trunk = type != "mlp";
  (type == "gru" ? spec.gru_size : spec.lstm_size) = recurrent_size;
  spec.observation.fields = {{"observation", DType::kFloat32, {features}}};
  spec.action = std::move(action);
  return spec;
}

// Hide and seek with up to 3 + 3 agents, 9 boxes and 2 ramps, and the policy of Baker et al. 2020.
// Masked: half of the entities are seen by the policy, all by the critic.
ModelSpec HideAndSeek(bool masked) {
  ModelSpec spec;
  spec.type = "entity_attention";
  spec.hidden = {256};
  spec.activation = Activation::kRelu;
  spec.lstm_size = 256;
  spec.observation.fields = {{"self", DType::kFloat32, {10}}, {"lidar", DType::kFloat32, {30}}};
  const std::pair<const char*, std::vector<int64_t>> sets[] = {
      {"agents", {5, 10}}, {"boxes", {9, 15}}, {"ramps", {2, 15}}};
  for (const auto& [name, shape] : sets) {
    spec.observation.fields.push_back({name, DType::kFloat32, shape});
    const std::string mask = masked ? fmt::format("sees_{}", name) : "";
    spec.entity.sets.push_back({name, mask, ""});
    if (masked) spec.observation.fields.push_back({mask, DType::kUInt8, {shape[0]}});
  }
  spec.entity.circular = {"lidar"};
  for (const int32_t choices : {11, 11, 11, 2, 2}) {
    spec.action.components.push_back(ActionSpec::Discrete(choices).components[0]);
  }
  return spec;
}

// Atari's picture and the network of Mnih et al. 2015 over it, with the 6 actions of Pong.
ModelSpec NatureCnn() {
  ModelSpec spec;
  spec.type = "cnn";
  spec.hidden = {512};
  spec.activation = Activation::kRelu;
  spec.shared_trunk = true;
  spec.observation.fields = {{"picture", DType::kUInt8, {84, 84, 4}}};
  spec.convolution.images = {"picture"};
  spec.action = ActionSpec::Discrete(6);
  return spec;
}

const std::vector<BenchModel>& AllModels() {
  const std::vector<float> low(8, -1), high(8, 1);
  static const std::vector<BenchModel> models = {
      {"mlp64x64", Spec("mlp", {64, 64}, 0, 4, ActionSpec::Discrete(2))},
      {"mlp256x256", Spec("mlp", {256, 256}, 0, 27, ActionSpec::Continuous(low, high))},
      {"lstm256", Spec("lstm", {256}, 256, 27, ActionSpec::Continuous(low, high))},
      {"gru256", Spec("gru", {256}, 256, 27, ActionSpec::Continuous(low, high))},
      {"nature_cnn", NatureCnn()},
      {"hide_and_seek", HideAndSeek(/*masked=*/true), /*roof=*/false},
      {"hide_and_seek_unmasked", HideAndSeek(/*masked=*/false)},
  };
  return models;
}

int64_t NumOf(const ModelSpec& spec, const std::string& field) {
  const auto& fields = spec.observation.fields;
  const auto found = std::ranges::find(fields, field, &Field::name);
  return found == fields.end() ? 0 : found->shape[0];
}

// Of one trunk: the agent itself and every entity.
int64_t NumTokens(const ModelSpec& spec) {
  int64_t tokens = 1;
  for (const EntitySpec::Set& set : spec.entity.sets) tokens += NumOf(spec, set.field);
  return tokens;
}

// How often a sample meets a matrix: those of entity_attention once for every entity or token.
int64_t TimesApplied(const ModelSpec& spec, const std::string& parameter) {
  constexpr std::string_view kEntity = ".entity.";
  if (const size_t at = parameter.find(kEntity); at != std::string::npos) {
    const size_t begin = at + kEntity.size();
    return NumOf(spec, parameter.substr(begin, parameter.rfind('.') - begin));
  }
  return parameter.find(".attention.") != std::string::npos ? NumTokens(spec) : 1;
}

}  // namespace

absl::StatusOr<std::vector<BenchModel>> FindBenchModels(const std::vector<std::string>& names) {
  if (names.empty()) return AllModels();
  std::vector<std::string> known;
  for (const BenchModel& model : AllModels()) known.emplace_back(model.name);
  std::vector<BenchModel> found;
  for (const std::string& name : names) {
    const auto model = std::ranges::find(AllModels(), name, &BenchModel::name);
    if (model == AllModels().end()) {
      return absl::InvalidArgumentError(
          fmt::format("--model: expected one of the benchmark's models, got \"{}\"{}", name,
                      DidYouMean(name, known)));
    }
    found.push_back(*model);
  }
  return found;
}

ForwardCost CostOf(const ModelSpec& spec) {
  ForwardCost cost;
  const ParameterLayout layout(spec);
  cost.parameters = static_cast<double>(layout.num_trainable());
  for (const Field& field : spec.observation.fields) {
    cost.input_bytes += static_cast<double>(NumElements(field.shape) * SizeOf(field.dtype));
  }
  const auto add = [&cost](int64_t products, int64_t outputs) {
    cost.operations += 2 * static_cast<double>(products);
    cost.outputs += static_cast<double>(outputs);
  };
  for (const ParameterEntry& entry : layout.entries()) {
    if (entry.shape.size() != 2) continue;
    const int64_t times = TimesApplied(spec, entry.name);
    add(times * NumElements(entry.shape), times * entry.shape[0]);
  }
  for (const ImageInput& image : ImageInputsOf(spec)) {
    for (const ConvolutionShape& layer : image.layers) {
      const int64_t outputs = layer.positions() * layer.filters;
      add(outputs * layer.kernel * layer.kernel * layer.channels, outputs);
    }
  }
  if (spec.type != "entity_attention") return cost;
  // Scores of every pair of tokens in every head, and sums of values by them.
  const int64_t tokens = NumTokens(spec), trunks = spec.one_trunk() ? 1 : 2;
  const int64_t pairs = trunks * spec.entity.layers * tokens * tokens;
  add(2 * pairs * spec.entity.embedding, pairs * spec.entity.heads);
  return cost;
}

}  // namespace millrace
