#include "cli/torch/training_bench.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "algorithms/ppo.h"
#include "backends/dense/dense_backend.h"
#include "backends/single_rank_collectives.h"
#include "cli/common/acting.h"
#include "cli/torch/rate_rows.h"
#include "core/deadline.h"
#include "millrace/core/status.h"
#include "workers/common/sample_fields.h"
#include "workers/trainer/train_step.h"

namespace millrace {
namespace {

constexpr int kSteps = 16;  // of a segment; a chunk of a recurrent policy is as long
constexpr int kMinibatches = 4;
constexpr double kSlowSeconds = 2;

// A batch of made-up steps in which everybody is present and no episode ends.
absl::StatusOr<SampleBatch> MakeBatch(const ModelSpec& spec, int rows) {
  const PolicyAgents agents{
      .policy = "default", .agents = 1, .observation = spec.observation, .action = spec.action};
  MILLRACE_ASSIGN_OR_RETURN(const Schema schema,
                            Schema::Create(StandardSampleFields(agents, spec.state_size())));
  const Layout layout(schema, {.steps = kSteps, .rows = rows, .chunks = 1});
  std::vector<std::byte> segment(layout.total_bytes());
  Rng rng(/*seed=*/1, /*stream=*/0);
  for (const Field& field : schema.fields()) {
    const TensorView view = layout.View(field.name, segment.data());
    const std::span<std::byte> bytes(view.data, view.bytes());
    if (field.name == "present") {
      std::ranges::fill(bytes, std::byte{1});
    } else if (field.name != "terminated" && field.name != "truncated" && field.name != "first") {
      DrawValues(field.dtype, bytes, rng);
    }
  }
  ReceivedSegment received;
  received.payload = segment.data();
  SampleBatch batch = AssembleBatch(/*epoch=*/0, /*number=*/0, {received}, layout);
  batch.segments.clear();  // they lie in memory of this function
  return batch;
}

// One way to train a model.
class Arm {
 public:
  static absl::StatusOr<std::unique_ptr<Arm>> Make(const BenchModel& model, int minibatch,
                                                   torch::Device device,
                                                   DenseBackend::Evaluation evaluation) {
    auto arm = std::make_unique<Arm>();
    Options options;
    for (const auto& [key, value] : {std::pair{"minibatch", std::to_string(minibatch)},
                                     {"chunk", std::to_string(kSteps)},
                                     {"epochs", std::string("1")},
                                     {"learning_rate", std::string("1e-6")}}) {
      options.Set(key, {.items = {value}, .where = {}, .path = {}});
    }
    MILLRACE_ASSIGN_OR_RETURN(arm->algorithm_, MakePpo(options, model.spec.action));
    MILLRACE_ASSIGN_OR_RETURN(auto policy, MakePolicy(model.spec, /*seed=*/1));
    policy->to(device);
    MILLRACE_ASSIGN_OR_RETURN(arm->backend_, DenseBackend::Create(policy, {}, evaluation));
    arm->step_ = std::make_unique<TrainStep>(arm->algorithm_.get(), arm->backend_.get(), 1);
    MILLRACE_ASSIGN_OR_RETURN(arm->batch_,
                              MakeBatch(model.spec, kMinibatches * minibatch / kSteps));
    return arm;
  }

  bool native() const { return backend_->row_trainer() != nullptr; }

  // Samples per second over at least so long.
  absl::StatusOr<double> Measure(double seconds) {
    const Clock::time_point start = Clock::now();
    int64_t samples = 0;
    do {
      MILLRACE_RETURN_IF_ERROR(step_->Run(batch_, /*progress=*/0, *group_).status());
      samples += kSteps * batch_.columns();
    } while (SecondsSince(start) < seconds);
    Wait(backend_->device());
    return static_cast<double>(samples) / SecondsSince(start);
  }

 private:
  std::unique_ptr<Algorithm> algorithm_;
  std::unique_ptr<DenseBackend> backend_;
  std::unique_ptr<TrainStep> step_;
  const std::unique_ptr<Collectives> group_ = MakeSingleRankCollectives();
  SampleBatch batch_;
};

// The least seconds for a sample of a minibatch: backward takes twice the operations of forward;
// outputs and their gradients are written and read once; Adam and the clipping read and write
// parameters, gradients and moments ten times.
double RoofSeconds(const ModelSpec& spec, int minibatch, const Roof& roof) {
  const ForwardCost cost = CostOf(spec);
  const double floats = 10 * cost.parameters / minibatch + 4 * cost.outputs;
  return roof.Seconds(3 * cost.operations, sizeof(float) * floats + 2 * cost.input_bytes);
}

absl::Status BenchOne(const BenchModel& model, int minibatch, const ModelBenchOptions& options,
                      torch::Device device, const Roof& roof, std::vector<BenchRow>& table) {
  if (minibatch < kSteps || minibatch % kSteps != 0) {
    return absl::InvalidArgumentError(
        fmt::format("--minibatch: expected a multiple of {}, got {}", kSteps, minibatch));
  }
  using Evaluation = DenseBackend::Evaluation;
  MILLRACE_ASSIGN_OR_RETURN(const auto core,
                            Arm::Make(model, minibatch, torch::kCPU, Evaluation::kNative));
  MILLRACE_ASSIGN_OR_RETURN(const auto torch,
                            Arm::Make(model, minibatch, device, Evaluation::kAuto));
  const bool gpu = !device.is_cpu();
  if (!gpu && !core->native()) return absl::OkStatus();  // both would be LibTorch
  Rates rates{.core_name = core->native() ? "native" : "LibTorch",
              .roof_seconds = RoofSeconds(model.spec, minibatch, roof)};
  const double batch = kMinibatches * minibatch;
  double core_rate = 0;
  for (int round = -1; round < options.rounds; ++round) {
    // A core that takes seconds for one batch is measured once: it needs no warming up.
    if (core_rate == 0 || batch / core_rate < kSlowSeconds) {
      MILLRACE_ASSIGN_OR_RETURN(core_rate, core->Measure(options.seconds));
    }
    MILLRACE_ASSIGN_OR_RETURN(const double torch_rate, torch->Measure(options.seconds));
    if (round < 0) continue;  // warm
    rates.core.push_back(core_rate);
    rates.torch.push_back(torch_rate);
  }
  const std::string name =
      AddRateRows("training", model, minibatch, device.str(), roof, rates, table);
  if (!gpu) return absl::OkStatus();
  std::vector<double> microseconds;
  for (const double rate : rates.torch) microseconds.push_back(1e6 * minibatch / rate);
  table.push_back({name + "/step", "us", Median(microseconds), "one kernel",
                   1e6 * roof.launch_seconds, microseconds, /*lower_is_better=*/true});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunTrainingBench(const ModelBenchOptions& options) {
  return BenchEveryModel(options, [&options](const auto& model, int minibatch, torch::Device device,
                                             const Roof& roof, auto& table) {
    return BenchOne(model, minibatch, options, device, roof, table);
  });
}

}  // namespace millrace
