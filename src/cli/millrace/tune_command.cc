// `millrace tune`: process counts, groups, inference, batch size and threads by short trial runs.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/common/bench_row.h"
#include "cli/common/exit_code.h"
#include "cli/millrace/check_experiment.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/trial_run.h"
#include "config/experiment.h"
#include "core/deadline.h"
#include "launcher/process_usage.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

struct TuneArguments {
  std::string file;
  std::vector<std::string> set;
  std::string output;  // default: the file's name with .tuned before its extension
  std::string objective = "wall";
  double seconds = 110;        // for all trials
  double trial_seconds = 1.5;  // of training in one
};

// Keys to values, as overrides.
using Choice = std::map<std::string, std::string>;

std::string Describe(const Choice& choice) {
  std::string text;
  for (const auto& [key, value] : choice) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", key.substr(key.find('.') + 1), value);
  }
  return text.empty() ? "as the file says" : text;
}

// One kind of question: the choices that are tried, each on top of the best so far.
struct Question {
  std::string name;
  std::vector<Choice> choices;
  bool of_servers = false;  // without meaning where actors act for themselves
};

// Nothing that changes what is learnt: the number of all environments, the size of a training
// batch, minibatches and the lag stay as they are.
std::vector<Question> Questions(const ExperimentConfig& config, int cores) {
  const auto number = [](int value) { return std::to_string(value); };
  std::vector<Question> questions = {{"inference",
                                      {{{"workers.actor.inference", "remote"}},
                                       {{"workers.actor.inference", "inline"}},
                                       {{"workers.actor.inference", "trainer"}}},
                                      false}};
  Question actors{"actors", {}, false};
  const int total = config.actor.count * config.actor.environments;
  for (const int count : std::set<int>{1, 2, cores - 1, cores, 2 * cores}) {
    if (count < 1 || total % count != 0) continue;
    for (const int groups : {1, 2, 4}) {
      if (total / count % groups != 0) continue;
      actors.choices.push_back({{"workers.actor.count", number(count)},
                                {"workers.actor.environments", number(total / count)},
                                {"workers.actor.groups", number(groups)}});
    }
  }
  questions.push_back(std::move(actors));
  Question batches{"inference batch", {}, true};
  for (const int rows : std::set<int>{total / 4, total / 2, total, 2 * total}) {
    if (rows < 1) continue;
    batches.choices.push_back({{"workers.policy.max_batch", number(rows)}});
  }
  questions.push_back(std::move(batches));
  questions.push_back(
      {"spinning", {{{"workers.spin_us", "0"}}, {{"workers.spin_us", "50"}}}, true});
  Question threads{"trainer threads", {}, false};
  for (int count = 1; count <= cores; count *= 2) {
    threads.choices.push_back({{"workers.trainer.threads", number(count)}});
  }
  if (cores > 1) questions.push_back(std::move(threads));
  return questions;
}

// Measures choices, each once; the one in force is measured again beside every question, so that
// what else the machine does counts for all alike.
class Tuner {
 public:
  Tuner(const TuneArguments& arguments, ExperimentConfig config, fs::path runs)
      : arguments_(arguments),
        config_(std::move(config)),
        runs_(std::move(runs)),
        deadline_(After(std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(arguments.seconds)))) {}

  absl::StatusOr<Choice> Run() {
    const int cores = std::max(1, static_cast<int>(AvailableCores()));
    for (const Question& question : Questions(config_, cores)) {
      if (question.of_servers && ActsInline()) continue;
      if (!Ask(question)) break;
    }
    return Compare();
  }

 private:
  // A choice must be better by this to replace another: less is what two runs of the same differ.
  static constexpr double kGain = 1.03;

  static constexpr int kFinalRounds = 3;

  // False when the time is over.
  bool Ask(const Question& question) {
    std::printf("%s\n", question.name.c_str());
    double best_rate = Trial(best_);
    Choice winner = best_;
    for (const Choice& choice : question.choices) {
      Choice candidate = best_;
      for (const auto& [key, value] : choice) candidate[key] = value;
      if (candidate == best_ || !IsValid(candidate)) continue;
      if (Expired(deadline_)) return false;
      const double rate = Trial(candidate);
      if (rate < kGain * best_rate) continue;
      best_rate = rate;
      winner = candidate;
    }
    best_ = winner;
    return !Expired(deadline_);
  }

  // The best of many is the luckiest, too: so it is measured once more against the file as it is.
  absl::StatusOr<Choice> Compare() {
    std::printf("the best against the file as it is\n");
    std::vector<double> before, after;
    for (int round = 0; round < kFinalRounds; ++round) {
      before.push_back(Trial({}));
      if (!best_.empty()) after.push_back(Trial(best_));
    }
    if (Median(before) == 0) {
      return absl::InternalError("no trial run succeeded: " + last_failure_);
    }
    if (Median(after) < kGain * Median(before)) {
      std::printf("%.0f steps/s: the file is as good as anything tried\n", Median(before));
      return Choice{};
    }
    std::printf("%.0f steps/s with the file as it is, %.0f with: %s\n", Median(before),
                Median(after), Describe(best_).c_str());
    return best_;
  }

  bool ActsInline() const {
    const auto chosen = best_.find("workers.actor.inference");
    return chosen == best_.end() ? config_.actor.inference == InferenceMode::kInline
                                 : chosen->second == "inline";
  }

  std::vector<std::string> Overrides(const Choice& choice) const {
    std::vector<std::string> set = arguments_.set;
    for (const auto& [key, value] : choice) set.push_back(key + "=" + value);
    return set;
  }

  bool IsValid(const Choice& choice) const {
    const auto overrides = ParseOverrides(Overrides(choice));
    return overrides.ok() && LoadExperiment(arguments_.file, *overrides).ok();
  }

  // Steps per second, or per CPU-second; 0 if the run failed.
  double Trial(const Choice& choice) {
    std::vector<std::string> set = Overrides(choice);
    set.push_back(
        fmt::format("stop={{wall_seconds: {}}}", kStartSeconds + arguments_.trial_seconds));
    set.push_back("checkpoint.every_seconds=3600");
    const auto summary = RunTrial(runs_, fmt::format("trial-{}", ++trials_), arguments_.file, set);
    if (!summary.ok()) {
      last_failure_ = std::string(summary.status().message());
      std::printf("  %14s  %s\n", "failed", Describe(choice).c_str());
      return 0;
    }
    const double rate = summary->value(
        arguments_.objective == "cpu" ? "steps_per_cpu_second" : "steps_per_second", 0.0);
    std::printf("  %14.0f  %s\n", rate, Describe(choice).c_str());
    std::fflush(stdout);
    return rate;
  }

  static constexpr double kStartSeconds = 0.5;  // from launch to the first step, about

  const TuneArguments& arguments_;
  const ExperimentConfig config_;
  const fs::path runs_;
  const Deadline deadline_;
  Choice best_;
  int trials_ = 0;
  std::string last_failure_;
};

fs::path OutputFile(const TuneArguments& arguments) {
  if (!arguments.output.empty()) return arguments.output;
  const fs::path file(arguments.file);
  return file.parent_path() / (file.stem().string() + ".tuned" + file.extension().string());
}

absl::Status WriteTuned(const TuneArguments& arguments, const Choice& best) {
  std::vector<std::string> set = arguments.set;
  for (const auto& [key, value] : best) set.push_back(key + "=" + value);
  MILLRACE_ASSIGN_OR_RETURN(const auto overrides, ParseOverrides(set));
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig tuned,
                            LoadExperiment(arguments.file, overrides));
  const fs::path path = OutputFile(arguments);
  std::ofstream file(path);
  file << DumpExperiment(tuned);
  if (!file) return absl::ResourceExhaustedError("cannot write " + path.string());
  std::printf("written: %s\n", path.string().c_str());
  return absl::OkStatus();
}

absl::Status Tune(const TuneArguments& arguments) {
  MILLRACE_ASSIGN_OR_RETURN(const auto overrides, ParseOverrides(arguments.set));
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig config,
                            LoadExperiment(arguments.file, overrides));
  Registry registry = BuiltinRegistry();
  MILLRACE_RETURN_IF_ERROR(CheckWithoutTorch(config, registry));
  if (config.deterministic) {
    return absl::InvalidArgumentError(
        config.Subject("deterministic") +
        ": expected false, got true: what is tuned changes the order of batches");
  }
  MILLRACE_ASSIGN_OR_RETURN(const auto directory, TrialDirectory::Make());
  MILLRACE_ASSIGN_OR_RETURN(const Choice best, Tuner(arguments, config, directory->path()).Run());
  return WriteTuned(arguments, best);
}

}  // namespace

void AddTuneCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "tune", "Finds process counts, groups, batch size and threads for this machine.");
  auto arguments = std::make_shared<TuneArguments>();
  command->add_option("file", arguments->file, "experiment (YAML)")->required();
  command->add_option("--set", arguments->set, "override a value: a.b=c")->allow_extra_args(false);
  command->add_option("--output", arguments->output,
                      "where the tuned experiment goes; default: NAME.tuned.yaml beside the file");
  command->add_option("--objective", arguments->objective, "steps per second of: wall, cpu")
      ->check(CLI::IsMember({"wall", "cpu"}))
      ->capture_default_str();
  command
      ->add_option("--seconds", arguments->seconds,
                   "for the search; the last comparison comes on top")
      ->capture_default_str();
  command->add_option("--trial-seconds", arguments->trial_seconds, "of training in one trial")
      ->capture_default_str();
  command->footer(
      "What is learnt stays the same: the number of all environments, training batches and lag are "
      "not touched.\nExample: millrace tune configs/cartpole_ppo.yaml");
  command->callback([arguments, &exit_code] {
    const absl::Status status = Tune(*arguments);
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

}  // namespace millrace
