// `millrace plan`: which trainer has which parts of which embedding tables, and how long a step
// takes.
#pragma once

#include "absl/status/status.h"
#include "cli/common/plan_arguments.h"
#include "config/experiment.h"
#include "millrace/registry/torch_registry.h"

namespace millrace {

// Prints the plan. kInvalidArgument: an experiment without embedding tables, or a wrong one.
// kResourceExhausted: tables that do not fit.
absl::Status RunPlan(const PlanArguments& arguments, const ExperimentConfig& config,
                     const TorchRegistry& registry);

}  // namespace millrace
