#include "cli/torch/inference_bench.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>

#include "cli/common/acting.h"
#include "core/deadline.h"
#include "inference/image_inputs.h"
#include "inference/kernels.h"
#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"
#include "models/torch_inference_model.h"

namespace millrace {
namespace {

struct BenchModel {
  const char* name;
  ModelSpec spec;
  bool roof = true;  // whether the operations of a sample are known
};

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

const std::vector<BenchModel>& Models() {
  const std::vector<float> low(8, -1), high(8, 1);
  static const std::vector<BenchModel> models = {
      {"mlp64x64", Spec("mlp", {64, 64}, 0, 4, ActionSpec::Discrete(2))},
      {"mlp256x256", Spec("mlp", {256, 256}, 0, 27, ActionSpec::Continuous(low, high))},
      {"lstm256", Spec("lstm", {256}, 256, 27, ActionSpec::Continuous(low, high))},
      {"gru256", Spec("gru", {256}, 256, 27, ActionSpec::Continuous(low, high))},
      {"nature_cnn", NatureCnn()},
      {"hide_and_seek", HideAndSeek(/*masked=*/true), /*roof=*/false},
      {"hide_and_seek_unmasked", HideAndSeek(/*masked=*/false), /*roof=*/false},
  };
  return models;
}

// Samples per second over at least so long.
absl::StatusOr<double> Measure(Acting& acting, double seconds) {
  const Clock::time_point start = Clock::now();
  int64_t calls = 0;
  do {
    MILLRACE_RETURN_IF_ERROR(acting.Act());
    ++calls;
  } while (SecondsSince(start) < seconds);
  return static_cast<double>(calls * acting.rows()) / SecondsSince(start);
}

// Multiply-adds of a sample, each as two operations: every matrix once, every kernel at each of its
// positions.
double Operations(const ModelSpec& spec) {
  int64_t products = 0;
  const ParameterLayout layout(spec);
  for (const ParameterEntry& entry : layout.entries()) {
    if (entry.shape.size() == 2) products += NumElements(entry.shape);
  }
  for (const ImageInput& image : ImageInputsOf(spec)) {
    for (const ConvolutionShape& layer : image.layers) {
      products += layer.positions() * layer.filters * layer.kernel * layer.kernel * layer.channels;
    }
  }
  return 2 * static_cast<double>(products);
}

double Peak(double seconds) {
  constexpr int64_t kRounds = 100'000;
  const kernels::KernelSet& set = kernels::BestKernels();
  double best = 0;
  const Clock::time_point start = Clock::now();
  while (SecondsSince(start) < seconds) {
    const Clock::time_point begin = Clock::now();
    const int64_t operations = set.multiply_adds(kRounds);
    best = std::max(best, static_cast<double>(operations) / SecondsSince(begin));
  }
  return best;
}

absl::Status BenchOne(const BenchModel& model, int rows, const InferenceBenchOptions& options,
                      double peak, std::vector<BenchRow>& table) {
  MILLRACE_ASSIGN_OR_RETURN(auto native, MakeNativeModel(model.spec));
  MILLRACE_ASSIGN_OR_RETURN(auto policy, MakePolicy(model.spec, /*seed=*/1));
  MILLRACE_ASSIGN_OR_RETURN(
      auto torch, MakeTorchInferenceModel(policy, model.spec.observation, model.spec.action));
  const ObservationSpec& observation = model.spec.observation;
  Acting ours(std::move(native), observation, rows), theirs(std::move(torch), observation, rows);
  MILLRACE_RETURN_IF_ERROR(ours.Act());  // warm
  MILLRACE_RETURN_IF_ERROR(theirs.Act());
  std::vector<double> fast, slow, shares;
  for (int round = 0; round < options.rounds; ++round) {
    MILLRACE_ASSIGN_OR_RETURN(fast.emplace_back(), Measure(ours, options.seconds));
    MILLRACE_ASSIGN_OR_RETURN(slow.emplace_back(), Measure(theirs, options.seconds));
    shares.push_back(fast.back() * Operations(model.spec) / peak);
  }
  const std::string name = fmt::format("inference/native/{}/{}", model.name, rows);
  table.push_back({name, "samples/s", Median(fast), "LibTorch", Median(slow), fast});
  if (!model.roof) return absl::OkStatus();
  table.push_back({name + "/roof_share", "of a core's multiply-adds", Median(shares),
                   fmt::format("{:.0f} GFLOP/s measured", peak * 1e-9), 1, shares});
  return absl::OkStatus();
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const BenchModel& model : Models()) names.emplace_back(model.name);
  return names;
}

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunInferenceBench(const InferenceBenchOptions& options) {
  at::set_num_threads(1);
  const double peak = Peak(/*seconds=*/0.2);
  std::vector<BenchRow> table;
  const std::vector<std::string> known = Names();
  for (const std::string& name : options.models.empty() ? known : options.models) {
    const auto model = std::ranges::find(Models(), name, &BenchModel::name);
    if (model == Models().end()) {
      return absl::InvalidArgumentError(
          fmt::format("--model: expected one of the benchmark's "
                      "models, got \"{}\"{}",
                      name, DidYouMean(name, known)));
    }
    for (const int rows : options.batches) {
      if (rows < 1) return absl::InvalidArgumentError("--batch: expected at least 1");
      MILLRACE_RETURN_IF_ERROR(BenchOne(*model, rows, options, peak, table));
    }
  }
  return table;
}

}  // namespace millrace
