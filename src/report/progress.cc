#include "report/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "millrace/core/nearest_name.h"

namespace millrace {
namespace {

constexpr size_t kDefaultColumns = 80;

std::string Steps(const RunMetrics& metrics, const ProgressTargets& targets) {
  std::string text = HumanCount(metrics.env_steps);
  if (targets.env_steps) absl::StrAppend(&text, "/", HumanCount(*targets.env_steps));
  return absl::StrCat(text, targets.dataset ? " samples" : " steps");
}

// "auc 0.7745  log_loss 0.4812"
std::string Losses(const RunMetrics& metrics) {
  constexpr std::string_view kPrefix = "loss/";
  std::string text;
  for (const auto& [name, value] : metrics.training) {
    if (!name.starts_with(kPrefix)) continue;
    absl::StrAppendFormat(&text, "%s%s %.4f", text.empty() ? "" : "  ", name.substr(kPrefix.size()),
                          value);
  }
  return text;
}

std::string Return(const RunMetrics& metrics, const ProgressTargets& targets) {
  if (targets.dataset) return Losses(metrics);
  std::string text = "return ";
  if (metrics.episode_means) {
    absl::StrAppendFormat(&text, "%.1f", metrics.episode_means->episode_return);
  } else {
    text += "-";
  }
  if (targets.episode_return) absl::StrAppendFormat(&text, " (goal %g)", *targets.episode_return);
  return text;
}

// "  hidden_fraction 0.56  stage: chase"; empty if there is nothing to say.
std::string Behaviour(const RunMetrics& metrics, const ProgressTargets& targets) {
  std::string text;
  for (const std::string& statistic : targets.statistics) {
    const auto found = metrics.environment.find("environment/" + statistic);
    if (found == metrics.environment.end()) continue;
    absl::StrAppendFormat(&text, "  %s %.3g", statistic, found->second);
  }
  if (!metrics.stages.empty()) absl::StrAppend(&text, "  stage: ", metrics.stages.back().name);
  return text;
}

// Empty if there is nothing to say.
std::string TimeLeft(const RunMetrics& metrics, const ProgressTargets& targets) {
  if (!targets.env_steps || metrics.steps_per_second <= 0) return "";
  if (metrics.env_steps >= *targets.env_steps) return "";
  const auto left = static_cast<double>(*targets.env_steps - metrics.env_steps);
  return absl::StrCat("at most ", HumanSeconds(left / metrics.steps_per_second), " left");
}

std::string RoleLine(const std::string& role, const RoleProfile& profile) {
  return absl::StrFormat("  %-8s x%-3d  %s", role, profile.processes, DescribeShares(profile));
}

size_t Columns(std::FILE* out) {
  winsize size{};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefaultColumns;
  return size.ws_col;
}

}  // namespace

std::string HumanCount(uint64_t count) {
  const auto value = static_cast<double>(count);
  if (count < 1000) return absl::StrCat(count);
  if (count < 1'000'000) return absl::StrFormat("%.1fk", value / 1e3);
  if (count < 1'000'000'000) return absl::StrFormat("%.2fM", value / 1e6);
  return absl::StrFormat("%.2fG", value / 1e9);
}

std::string HumanSeconds(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "-";
  if (seconds < 60) return absl::StrFormat("%.1f s", seconds);
  const auto whole = static_cast<int64_t>(seconds);
  if (whole < 3600) return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
  return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string PlainProgress(const RunMetrics& metrics, const ProgressTargets& targets) {
  std::string text = absl::StrFormat(
      "%s  %s  %s %s/s  %s%s", HumanSeconds(metrics.elapsed_seconds), Steps(metrics, targets),
      HumanCount(static_cast<uint64_t>(metrics.steps_per_second)),
      targets.dataset ? "samples" : "steps", Return(metrics, targets), Behaviour(metrics, targets));
  if (!targets.dataset) {
    absl::StrAppendFormat(&text, "  version %d  lag %.1f (max %d)", metrics.policy_version,
                          metrics.policy_lag_mean, metrics.policy_lag_max);
  }
  if (metrics.sample_reuse.value_or(1) > 1) {
    absl::StrAppendFormat(&text, "  reuse %.1f", *metrics.sample_reuse);
  }
  if (const std::string left = TimeLeft(metrics, targets); !left.empty()) {
    absl::StrAppend(&text, "  ", left);
  }
  return text;
}

std::vector<std::string> LiveProgress(const RunMetrics& metrics, const ProgressTargets& targets) {
  std::vector<std::string> lines = {PlainProgress(metrics, targets)};
  if (metrics.policies.size() > 1) {
    for (const auto& [name, policy] : metrics.policies) {
      const std::string mean =
          policy.episodes ? absl::StrFormat("%.1f", policy.episodes->episode_return) : "-";
      lines.push_back(absl::StrFormat("  policy %s: return %s  version %d  train steps %d", name,
                                      mean, policy.policy_version, policy.train_steps));
    }
  }
  for (const auto& [role, profile] : metrics.recent) lines.push_back(RoleLine(role, profile));
  return lines;
}

absl::StatusOr<ProgressMode> ParseProgressMode(const std::string& text) {
  if (text == "auto") return ProgressMode::kAuto;
  if (text == "plain") return ProgressMode::kPlain;
  if (text == "none") return ProgressMode::kNone;
  const std::vector<std::string> modes = {"auto", "plain", "none"};
  return absl::InvalidArgumentError(absl::StrCat("--progress: expected auto, plain or none, got \"",
                                                 text, "\"", DidYouMean(text, modes)));
}

ProgressWriter::ProgressWriter(ProgressMode mode, std::FILE* out, ProgressTargets targets)
    : mode_(mode),
      out_(out),
      targets_(targets),
      live_(mode == ProgressMode::kAuto && ::isatty(::fileno(out)) == 1) {}

void ProgressWriter::Show(const RunMetrics& metrics) {
  if (mode_ == ProgressMode::kNone) return;
  if (live_) return Draw(LiveProgress(metrics, targets_));
  if (last_plain_ && metrics.elapsed_seconds < *last_plain_ + kPlainSeconds) return;
  last_plain_ = metrics.elapsed_seconds;
  std::fprintf(out_, "%s\n", PlainProgress(metrics, targets_).c_str());
  std::fflush(out_);
}

void ProgressWriter::Draw(const std::vector<std::string>& lines) {
  const size_t columns = Columns(out_);
  // Up to where the last picture began, then clear to the end of the screen.
  std::string picture = drawn_lines_ > 0 ? absl::StrFormat("\x1b[%dA\r\x1b[J", drawn_lines_) : "";
  for (const std::string& line : lines)
    absl::StrAppend(&picture, line.substr(0, columns - 1), "\n");
  std::fputs(picture.c_str(), out_);
  std::fflush(out_);
  drawn_lines_ = lines.size();
}

void ProgressWriter::Finish() { drawn_lines_ = 0; }

}  // namespace millrace
