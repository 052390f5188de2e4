// The command line of `millrace plan`, for the two programs that have it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace millrace {

struct PlanArguments {
  std::string file;
  std::vector<std::string> set;
  int trainers = 0;    // 0: as the file says
  std::string output;  // the plan, for backend.plan_file
  int rounds = 0;      // of steps that are measured, with every plan
  std::string json;    // file; "-": JSON alone on standard output
};

void AddOptions(CLI::App& command, PlanArguments& arguments);
// The command line that says the same.
std::vector<std::string> CommandLine(const PlanArguments& arguments);

}  // namespace millrace
