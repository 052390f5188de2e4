#include "cli/common/plan_arguments.h"

namespace millrace {

void AddOptions(CLI::App& command, PlanArguments& arguments) {
  command.add_option("file", arguments.file, "experiment (YAML)")->required();
  command.add_option("--set", arguments.set, "override a value: a.b=c")->allow_extra_args(false);
  command.add_option("--trainers", arguments.trainers, "how many; default: workers.trainer.count")
      ->check(CLI::PositiveNumber);
  command.add_option("--output", arguments.output, "write the plan here, for backend.plan_file");
  command
      .add_option("--measure", arguments.rounds,
                  "also run so many steps here, with this plan and others")
      ->check(CLI::PositiveNumber);
  command.add_option("--json", arguments.json, "also write the figures to this file; -: only them");
}

std::vector<std::string> CommandLine(const PlanArguments& arguments) {
  std::vector<std::string> line = {"plan", arguments.file};
  for (const std::string& set : arguments.set) line.insert(line.end(), {"--set", set});
  const auto add_number = [&](const char* option, int number) {
    if (number > 0) line.insert(line.end(), {option, std::to_string(number)});
  };
  const auto add_file = [&](const char* option, const std::string& file) {
    if (!file.empty()) line.insert(line.end(), {option, file});
  };
  add_number("--trainers", arguments.trainers);
  add_number("--measure", arguments.rounds);
  add_file("--output", arguments.output);
  add_file("--json", arguments.json);
  return line;
}

}  // namespace millrace
