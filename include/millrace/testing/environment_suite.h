// Conformance checks of environments: run them over your own, in any test framework.
//
//   for (const millrace::EnvironmentCheck& check : millrace::EnvironmentChecks()) {
//     absl::Status status = check.run(MyEnvironment::Create, options);  // ok, or what is wrong
//   }
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "millrace/env/environment.h"
#include "millrace/env/vector_environment.h"

namespace millrace {

// A rule of the interface. `run` makes environments, steps them with random legal actions and
// returns kFailedPrecondition with the first violation it sees, or the environment's own error.
// Rules about optional functions hold for an environment without them.
struct EnvironmentCheck {
  std::string name;  // CamelCase, a sentence
  std::function<absl::Status(const EnvironmentFactory& factory, const Options& options)> run;
};
std::vector<EnvironmentCheck> EnvironmentChecks();

// The same for groups.
struct VectorEnvironmentCheck {
  std::string name;
  std::function<absl::Status(const VectorEnvironmentFactory& factory, const Options& options)> run;
};
std::vector<VectorEnvironmentCheck> VectorEnvironmentChecks();

// Two implementations of one environment give the same rows, bit by bit: a native group and
// MakeEnvironmentBatch over the single one, say.
absl::Status CheckGroupsAgree(const VectorEnvironmentFactory& one,
                              const VectorEnvironmentFactory& other, const Options& options);

}  // namespace millrace
