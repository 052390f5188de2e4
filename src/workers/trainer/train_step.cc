#include "workers/trainer/train_step.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "core/activity.h"
#include "millrace/core/status.h"
#include "models/guarded_torch.h"
#include "workers/trainer/reevaluation.h"

namespace millrace {
namespace {

int64_t NumMinibatches(const ItemView& items, const TrainingPlan& plan, int ranks) {
  const int64_t wanted = plan.minibatch_steps / ranks / items.steps_per_item();
  if (plan.minibatch_steps <= 0) return 1;
  if (wanted <= 1) return items.items();
  return std::max<int64_t>(1, (items.items() + wanted / 2) / wanted);
}

// Items [begin, end) of an epoch's order.
struct Minibatch {
  int64_t begin, end;
};

// Equal parts, as close to the wanted size as a whole number of them comes: nothing is left over.
std::vector<Minibatch> CutIntoMinibatches(const ItemView& items, const TrainingPlan& plan,
                                          int ranks) {
  const int64_t count = NumMinibatches(items, plan, ranks);
  std::vector<Minibatch> minibatches;
  for (int64_t m = 0; m < count; ++m) {
    minibatches.push_back({items.items() * m / count, items.items() * (m + 1) / count});
  }
  return minibatches;
}

OptimizerStep StepOf(const TrainingPlan& plan) {
  return {.learning_rate = plan.learning_rate,
          .max_gradient_norm = plan.max_gradient_norm,
          .epsilon = plan.adam_epsilon};
}

// The end of a batch is a decision of the whole group.
absl::StatusOr<bool> Agree(bool stop, const TrainingPlan& plan, Collectives& group) {
  if (group.size() == 1 || !plan.may_stop_epochs) return stop;
  torch::Tensor votes = torch::full({1}, stop ? 1.0F : 0.0F);
  MILLRACE_RETURN_IF_ERROR(group.AllReduceSum(votes));
  return votes.item<float>() > 0;
}

// [T, B], or [T, B, ...]. Of a dataset, which pays no rewards, every field is.
const torch::Tensor& PerStep(const TensorDict& tensors) {
  const auto reward = tensors.find("reward");
  return reward == tensors.end() ? tensors.begin()->second : reward->second;
}

// The items of the batch in the order in which an epoch takes them.
TensorDict Ordered(const ItemView& items, const TrainingPlan& plan, uint64_t seed, uint64_t batch,
                   int epoch) {
  if (!plan.shuffle) {
    // Memory of LibTorch's own: the bits of its sums may depend on where the numbers lie.
    TensorDict copies;
    for (const auto& [name, tensor] : items.tensors()) copies[name] = tensor.clone();
    return copies;
  }
  return items.Shuffled(Permutation(seed, batch, epoch, items.items()));
}

}  // namespace

absl::StatusOr<TrainReport> TrainStep::Run(SampleBatch& batch, double progress,
                                           Collectives& group) {
  return GuardedTorch(fmt::format("training batch {}", batch.number),
                      [&] { return RunOrThrow(batch, progress, group); });
}

absl::StatusOr<TensorDict> TrainStep::SamplesWith(SampleBatch& batch, const TrainingPlan& plan) {
  if (memory_.capacity() == 1) return TensorsOver(batch);
  memory_.Add(batch);
  TensorDict samples = memory_.SideBySide();
  // A loss over whole rows that computes its own targets evaluates every step itself.
  if (plan.unit == TrainingPlan::Unit::kSteps || !algorithm_->ValueTargetKey().empty()) {
    MILLRACE_RETURN_IF_ERROR(Reevaluate(*backend_, samples));
  }
  return samples;
}

absl::Status TrainStep::UpdateNormalizers(TensorDict samples, torch::Tensor value_targets,
                                          int64_t new_rows, Collectives& group) {
  const ActivityScope normalizers(Activity::kTrainNormalizers);
  torch::NoGradGuard no_grad;
  const int64_t steps = PerStep(samples).size(0);
  if (PerStep(samples).size(1) > new_rows) {
    for (auto& [name, tensor] : samples) tensor = tensor.narrow(1, 0, new_rows);
    if (value_targets.defined()) value_targets = value_targets.narrow(1, 0, new_rows);
  }
  const ItemView all(samples, TrainingPlan::Unit::kSteps, steps, new_rows, 0);
  return backend_->UpdateNormalizers(
      all.tensors(), value_targets.defined() ? value_targets.flatten() : torch::Tensor(), group);
}

absl::StatusOr<TrainReport> TrainStep::RunOrThrow(SampleBatch& batch, double progress,
                                                  Collectives& group) {
  EnterActivity(Activity::kTrainTargets);
  const TrainingPlan plan = algorithm_->Plan(progress);
  const int64_t new_rows = batch.columns();
  MILLRACE_ASSIGN_OR_RETURN(TensorDict tensors, SamplesWith(batch, plan));
  const int64_t steps = PerStep(tensors).size(0);
  const int64_t rows = PerStep(tensors).size(1);
  const std::string target_key = algorithm_->ValueTargetKey();
  torch::Tensor value_targets;
  {
    torch::NoGradGuard no_grad;
    MILLRACE_RETURN_IF_ERROR(algorithm_->ComputeTargets(tensors));
    for (auto& [name, tensor] : tensors) tensor = tensor.to(backend_->device());
    if (const auto target = tensors.find(target_key); target != tensors.end()) {
      value_targets = target->second;
      target->second = backend_->NormalizeValue(value_targets);
      tensors["value"] = backend_->NormalizeValue(tensors["value"]);
    }
  }
  const int64_t chunk = backend_->state_size() > 0 ? std::min<int64_t>(plan.chunk, steps) : 0;
  const ItemView items(tensors, plan.unit, steps, rows, chunk);
  EnterActivity(Activity::kTrainOther);
  TrainReport report;
  RowTrainer* const row_trainer = backend_->row_trainer();
  const bool by_rows = row_trainer != nullptr && algorithm_->row_loss() != nullptr &&
                       plan.unit == TrainingPlan::Unit::kSteps;
  MILLRACE_RETURN_IF_ERROR(by_rows
                               ? TrainRows(*row_trainer, items, batch.number, plan, group, report)
                               : TrainTensors(items, batch.number, plan, group, report));
  MILLRACE_RETURN_IF_ERROR(UpdateNormalizers(std::move(tensors), value_targets, new_rows, group));
  MILLRACE_ASSIGN_OR_RETURN(
      const auto numbers,
      backend_->EndBatch({.progress = progress, .sample = [&](int64_t steps_wanted) {
                            return items.Spaced(steps_wanted);
                          }}));
  for (const auto& [name, value] : numbers) report.metrics["backend/" + name] = value;
  for (const auto& [name, value] : algorithm_->TakeBatchMetrics()) {
    report.metrics["loss/" + name] = value;
  }
  return report;
}

absl::Status TrainStep::TrainTensors(const ItemView& items, uint64_t batch,
                                     const TrainingPlan& plan, Collectives& group,
                                     TrainReport& report) {
  const auto minibatches = CutIntoMinibatches(items, plan, group.size());
  metric_sums_.clear();
  bool stop = false;
  for (int epoch = 0; epoch < plan.epochs && !stop; ++epoch) {
    // One gather per epoch; minibatches are then plain slices.
    EnterActivity(Activity::kTrainGather);
    const TensorDict ordered = Ordered(items, plan, seed_, batch, epoch);
    EnterActivity(Activity::kTrainOther);
    for (const auto& [begin, end] : minibatches) {
      if (stop) break;
      MILLRACE_RETURN_IF_ERROR(
          TrainMinibatch(items.Slice(ordered, begin, end - begin), plan, group, report, stop));
    }
  }
  for (const auto& [name, sum] : metric_sums_) {
    report.metrics["loss/" + name] =
        sum.item<double>() / static_cast<double>(std::max<int64_t>(1, report.optimizer_steps));
  }
  return absl::OkStatus();
}

absl::Status TrainStep::TrainRows(RowTrainer& trainer, const ItemView& items, uint64_t batch,
                                  const TrainingPlan& plan, Collectives& group,
                                  TrainReport& report) {
  const RowLoss& loss = *algorithm_->row_loss();
  const auto minibatches = CutIntoMinibatches(items, plan, group.size());
  std::vector<double> sums(loss.metrics().size()), metrics(sums.size());
  MILLRACE_RETURN_IF_ERROR(trainer.Begin(items.tensors(), loss));
  bool stop = false;
  for (int epoch = 0; epoch < plan.epochs && !stop; ++epoch) {
    const torch::Tensor order = plan.shuffle ? Permutation(seed_, batch, epoch, items.items())
                                             : torch::arange(items.items(), torch::kInt64);
    const std::span<const int64_t> shuffled(order.const_data_ptr<int64_t>(),
                                            static_cast<size_t>(items.items()));
    for (const auto& [begin, end] : minibatches) {
      if (stop) break;
      const auto part =
          shuffled.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
      MILLRACE_ASSIGN_OR_RETURN(const StepReport done,
                                trainer.Train(part, StepOf(plan), group, metrics));
      ++report.optimizer_steps;
      report.skipped_steps += done.skipped ? 1 : 0;
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += metrics[i];
      MILLRACE_ASSIGN_OR_RETURN(stop, Agree(done.stop_epochs, plan, group));
    }
  }
  trainer.End();
  for (size_t i = 0; i < sums.size(); ++i) {
    report.metrics["loss/" + loss.metrics()[i]] =
        sums[i] / static_cast<double>(std::max<int64_t>(1, report.optimizer_steps));
  }
  return absl::OkStatus();
}

absl::Status TrainStep::TrainMinibatch(const TensorDict& minibatch, const TrainingPlan& plan,
                                       Collectives& group, TrainReport& report, bool& stop) {
  const ActivityScope forward(Activity::kTrainForward);
  MILLRACE_ASSIGN_OR_RETURN(const HeadOutputs heads, backend_->Forward(minibatch));
  EnterActivity(Activity::kTrainLoss);
  MILLRACE_ASSIGN_OR_RETURN(const LossResult result, algorithm_->Loss(heads, minibatch));
  EnterActivity(Activity::kTrainBackward);
  result.loss.backward();
  MILLRACE_RETURN_IF_ERROR(backend_->Backward(heads));
  EnterActivity(Activity::kTrainOptimizer);
  MILLRACE_ASSIGN_OR_RETURN(const StepReport done, backend_->Step(StepOf(plan), group));
  EnterActivity(Activity::kTrainOther);
  ++report.optimizer_steps;
  report.skipped_steps += done.skipped ? 1 : 0;
  {
    torch::NoGradGuard no_grad;
    for (const auto& [name, value] : result.metrics) {
      auto& sum = metric_sums_[name];
      sum = sum.defined() ? sum + value.detach() : value.detach();
    }
  }
  MILLRACE_ASSIGN_OR_RETURN(stop, Agree(result.stop_epochs, plan, group));
  return absl::OkStatus();
}

}  // namespace millrace
