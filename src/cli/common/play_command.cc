// What happens at a step: the environment tells Show (its watcher) what it looks like now, which
// goes into the film or onto a map; the evaluator then hands over the rows of all agents, which are
// printed if there is neither.
#include "cli/common/play_command.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <span>
#include <thread>

#include "env/watched_environment.h"
#include "millrace/core/status.h"
#include "report/picture/character_map.h"
#include "workers/evaluation/evaluator.h"

namespace millrace {
namespace {

template <typename T>
void AppendNumbers(std::string& line, std::span<const T> values) {
  constexpr size_t kMost = 12;
  for (size_t i = 0; i < std::min(kMost, values.size()); ++i) {
    line += fmt::format(" {:+.4g}", static_cast<double>(values[i]));
  }
  if (values.size() > kMost) line += " ...";
}

void AppendField(std::string& line, const TensorView& row) {
  switch (row.dtype) {
    case DType::kFloat32:
      return AppendNumbers<float>(line, row.As<float>());
    case DType::kFloat64:
      return AppendNumbers<double>(line, row.As<double>());
    case DType::kInt32:
      return AppendNumbers<int32_t>(line, row.As<int32_t>());
    case DType::kInt64:
      return AppendNumbers<int64_t>(line, row.As<int64_t>());
    case DType::kUInt8:
      return AppendNumbers<uint8_t>(line, row.As<uint8_t>());
  }
}

// One agent's action, what it was paid, and what it saw then.
std::string Frame(const EnvironmentBuffers::Part& part, size_t row, bool ended) {
  const size_t parts = part.discrete.size() / static_cast<size_t>(part.rows);
  const size_t reals = part.continuous.size() / static_cast<size_t>(part.rows);
  std::string line = "action";
  AppendNumbers<int32_t>(line, std::span(part.discrete).subspan(row * parts, parts));
  AppendNumbers<float>(line, std::span(part.continuous).subspan(row * reals, reals));
  line += fmt::format("  reward {:+.3g}  observation", part.reward[row]);
  for (const TensorView& view : ended ? part.final_observation : part.observation) {
    AppendField(line, view[static_cast<int64_t>(row)]);
  }
  return line;
}

// A cart on its track, for people to watch.
std::string CartPoleFrame(const EnvironmentBuffers::Part& part, size_t row, bool ended) {
  const auto& views = ended ? part.final_observation : part.observation;
  const auto observation = views.front()[static_cast<int64_t>(row)].As<float>();
  constexpr int kWidth = 61;
  std::string track(kWidth, '.');
  const int cart =
      std::clamp(static_cast<int>((observation[0] + 2.4f) / 4.8f * (kWidth - 1)), 0, kWidth - 1);
  const float angle = observation[observation.size() > 2 ? 2 : 1];
  track[static_cast<size_t>(cart)] = angle < -0.03f ? '\\' : angle > 0.03f ? '/' : '|';
  return track + fmt::format("  x {:+.2f}  angle {:+.3f}", observation[0], angle);
}

// Prints every agent of the one environment, and whether its episode ended.
void ShowStep(const EnvironmentBuffers& buffers, const ExperimentConfig& config, int64_t step) {
  const bool cartpole = config.environment.type.ends_with("cartpole");
  size_t rows = 0;
  for (const auto& part : buffers.parts()) rows += static_cast<size_t>(part->rows);
  const bool in_place = rows == 1 && ::isatty(STDOUT_FILENO) != 0;
  for (size_t p = 0; p < buffers.parts().size(); ++p) {
    const EnvironmentBuffers::Part& part = *buffers.parts()[p];
    for (size_t row = 0; row < static_cast<size_t>(part.rows); ++row) {
      const bool ended = part.terminated[row] != 0 || part.truncated[row] != 0;
      if (!ended && part.present[row] == 0) continue;
      std::printf("%s%5ld  ", in_place ? "\r" : "", static_cast<long>(step));
      if (rows > 1) std::printf("%s %zu  ", config.policies[p].name.c_str(), row);
      std::printf("%s%s%s", (cartpole ? CartPoleFrame : Frame)(part, row, ended).c_str(),
                  part.terminated[row] != 0  ? "  terminated"
                  : part.truncated[row] != 0 ? "  truncated"
                                             : "",
                  in_place ? "" : "\n");
    }
  }
  std::fflush(stdout);
  if (in_place) std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

constexpr char kViewFlat[] = "flat", kViewInSpace[] = "3d";

// Looks on at the first episode: makes the film, or prints maps if the environment has one.
class Show final : public EnvironmentWatcher {
 public:
  // `film`: null for text.
  Show(const PlayArguments& arguments, std::unique_ptr<Film> film)
      : pause_(1 / arguments.film.frames_per_second),
        size_(arguments.film.size),
        film_(std::move(film)),
        in_space_(arguments.view == kViewInSpace) {}

  void AfterReset(Environment& environment) override {
    if (begun_) {
      over_ = true;
      return;
    }
    begun_ = true;
    Look(environment, "", /*ended=*/false);
  }

  void AfterStep(Environment& environment, std::span<const AgentSlot> agents) override {
    if (over_) return;
    ++step_;
    std::string rewards;
    bool ended = true;
    for (size_t a = 0; a < agents.size(); ++a) {
      const bool agent_ended = agents[a].terminated || agents[a].truncated;
      ended = ended && (agent_ended || !agents[a].present);
      if (!agents[a].present && !agent_ended) continue;
      rewards += fmt::format("  {} {:+.3g}", environment.spec().agents[a].name, agents[a].reward);
    }
    Look(environment, rewards, ended);
  }

  // Of the episode that is shown.
  bool over() const { return over_ || !status_.ok(); }
  int64_t step() const { return step_; }
  // Steps are to be printed line by line.
  bool wants_lines() const { return film_ == nullptr && !has_map_; }

  absl::Status Finish() {
    MILLRACE_RETURN_IF_ERROR(status_);
    return film_ == nullptr ? absl::OkStatus() : film_->Finish();
  }

 private:
  void Look(Environment& environment, const std::string& rewards, bool ended) {
    if (!status_.ok()) return;
    std::optional<Drawing> drawing = environment.Draw();
    std::string caption = fmt::format("step {}{}", step_, rewards);
    if (drawing && !drawing->caption.empty()) caption += "\n" + drawing->caption;
    if (in_space_) {
      status_ = FilmInSpace(environment, caption);
    } else if (drawing) {
      drawing->caption = std::move(caption);
      status_ = film_ != nullptr ? film_->Add(*drawing) : ShowMap(*drawing, ended);
    } else if (film_ != nullptr) {
      status_ = absl::FailedPreconditionError(
          "--video: expected an environment that draws itself (Environment::Draw), got one that "
          "does not");
    }
  }

  absl::Status FilmInSpace(Environment& environment, const std::string& caption) {
    const int height = std::max(2, size_ * 3 / 8 * 2);  // even, of four to three
    const absl::StatusOr<Image> image = environment.Render(size_ / 2 * 2, height);
    if (image.ok()) return film_->Add(*image, caption);
    if (!absl::IsUnimplemented(image.status())) return image.status();
    return absl::FailedPreconditionError(
        "--view 3d: expected an environment that has a renderer (Environment::Render), got one "
        "without");
  }

  absl::Status ShowMap(const Drawing& drawing, bool ended) {
    has_map_ = drawing.map_rows > 0;
    if (!has_map_) return absl::OkStatus();
    const bool in_place = ::isatty(STDOUT_FILENO) != 0;
    MILLRACE_ASSIGN_OR_RETURN(const std::string map, CharacterMap(drawing));
    constexpr int64_t kMapEvery = 10;  // steps, where maps do not replace each other
    const bool shown = in_place || ended || step_ % kMapEvery == 0;
    std::printf("%s%s%s\n", in_place ? "\x1b[H\x1b[J" : "", shown ? map.c_str() : "",
                drawing.caption.c_str());
    std::fflush(stdout);
    if (in_place) std::this_thread::sleep_for(pause_);
    return absl::OkStatus();
  }

  const std::chrono::duration<double> pause_;  // between maps in a terminal
  const int size_;                             // pixels
  const std::unique_ptr<Film> film_;
  const bool in_space_;
  absl::Status status_;
  bool begun_ = false, over_ = false, has_map_ = false;
  int64_t step_ = 0;
};

void PrintResult(const EvaluationResult& result) {
  std::printf("\nreturn %.1f in %.0f steps (train step %lu)\n", result.all.return_mean,
              result.all.length_mean, static_cast<unsigned long>(result.train_steps));
  if (result.policies.size() < 2) return;
  for (const auto& [policy, statistics] : result.policies) {
    std::printf("  %s: return %.1f\n", policy.c_str(), statistics.return_mean);
  }
}

}  // namespace

void AddOptions(CLI::App& command, PlayArguments& arguments) {
  AddFrozenPolicyOptions(command, arguments);
  command.add_option("--seed", arguments.seed, "of the episode")->capture_default_str();
  command.add_option("--video", arguments.video, "write a film: a .svg, .gif or .mp4 file");
  command.add_option("--view", arguments.view, "of the film: flat, or 3d if MuJoCo can render it")
      ->capture_default_str()
      ->check(CLI::IsMember({kViewFlat, kViewInSpace}));
  command.add_option("--fps", arguments.film.frames_per_second, "steps shown a second")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option("--size", arguments.film.size, "of the film, in pixels of its longer side")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
}

std::vector<std::string> CommandLine(const PlayArguments& arguments) {
  std::vector<std::string> line = CommandLine("play", arguments);
  line.insert(line.end(), {"--fps", fmt::format("{}", arguments.film.frames_per_second), "--size",
                           std::to_string(arguments.film.size), "--view", arguments.view});
  if (!arguments.video.empty()) line.insert(line.end(), {"--video", arguments.video});
  return line;
}

absl::Status RunPlay(const PlayArguments& arguments, const ExperimentConfig& config,
                     const RunPaths& paths, const Registry& registry,
                     const InferenceModelFactory& make_model) {
  std::unique_ptr<Film> film;
  if (arguments.video.empty() && arguments.view != kViewFlat) {
    return absl::InvalidArgumentError("--view 3d: expected also --video FILE.gif or FILE.mp4");
  }
  if (!arguments.video.empty()) {
    auto opened = OpenFilm(arguments.video, arguments.film);
    if (!opened.ok()) return WithContext(opened.status(), "--video");
    film = *std::move(opened);
  }
  MILLRACE_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                            ReadCheckpoint(paths, arguments.checkpoint));
  Show show(arguments, std::move(film));
  EvaluationOptions options;
  options.episodes = 1;
  options.environments = 1;
  options.sample = arguments.sample;
  options.seed = arguments.seed;
  options.watcher = &show;
  options.on_step = [&](const EnvironmentBuffers& buffers) {
    if (show.wants_lines()) ShowStep(buffers, config, show.step());
    return !show.over();
  };
  MILLRACE_ASSIGN_OR_RETURN(const EvaluationResult result,
                            Evaluate(config, checkpoint, registry, make_model, options));
  MILLRACE_RETURN_IF_ERROR(show.Finish());
  PrintResult(result);
  if (!arguments.video.empty()) std::printf("wrote %s\n", arguments.video.c_str());
  return absl::OkStatus();
}

}  // namespace millrace
