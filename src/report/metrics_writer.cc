#include "report/metrics_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

using nlohmann::ordered_json;

absl::Status WriteError(int error, const std::filesystem::path& file) {
  const std::string message =
      absl::StrCat("cannot write ", file.string(), ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
  return absl::InternalError(message);
}

// The length of the file's first `end` bytes up to their last newline.
off_t WholeLines(int fd, off_t end) {
  char last = '\0';
  while (end > 0 && ::pread(fd, &last, 1, end - 1) == 1 && last != '\n') --end;
  return end;
}

off_t WholeLines(int fd) { return WholeLines(fd, ::lseek(fd, 0, SEEK_END)); }

// JSON has no infinities: they become null.
ordered_json Number(double value) { return std::isfinite(value) ? ordered_json(value) : nullptr; }

void AddMeans(ordered_json& json, const std::string& prefix,
              const std::optional<EpisodeMeans>& means) {
  json[prefix + "episode_return_mean"] = means ? Number(means->episode_return) : nullptr;
  json[prefix + "episode_length_mean"] = means ? Number(means->length) : nullptr;
}

// "time_share/trainer/train/forward", "time_share/trainer/intake/receive"
void AddShares(ordered_json& json, const std::string& role, const RoleProfile& profile) {
  for (int i = 0; i < kNumActivities; ++i) {
    const auto activity = static_cast<Activity>(i);
    const double share = profile.Share(activity);
    if (share <= 0) continue;
    const ActivityInfo& info = Describe(activity);
    const std::string thread = info.thread == "main" ? "" : std::string(info.thread) + "/";
    json[absl::StrCat("time_share/", role, "/", thread, std::string(info.path))] = share;
  }
}

// The newest whole line of a metrics.jsonl; null if there is none.
nlohmann::json NewestLine(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  const off_t end = WholeLines(fd);
  const off_t begin = WholeLines(fd, end - 1);
  std::string line(static_cast<size_t>(end - begin), '\0');
  const bool read = ::pread(fd, line.data(), line.size(), begin) == end - begin;
  ::close(fd);
  auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  return read && json.is_object() ? json : nlohmann::json();
}

}  // namespace

ordered_json ToJson(const RunMetrics& metrics) {
  ordered_json json = {{"time", metrics.time},
                       {"elapsed_seconds", metrics.elapsed_seconds},
                       {"env_steps", metrics.env_steps},
                       {"agent_steps", metrics.agent_steps},
                       {"train_steps", metrics.train_steps},
                       {"episodes", metrics.episodes},
                       {"policy_version", metrics.policy_version}};
  AddMeans(json, "", metrics.episode_means);
  json["steps_per_second"] = metrics.steps_per_second;
  json["policy_lag_mean"] = metrics.policy_lag_mean;
  json["policy_lag_max"] = metrics.policy_lag_max;
  json["sample_reuse"] = metrics.sample_reuse ? ordered_json(*metrics.sample_reuse) : nullptr;
  for (const auto& [name, value] : metrics.environment) json[name] = Number(value);
  if (!metrics.stages.empty()) json["stage"] = metrics.stages.size();
  for (const auto& [name, value] : metrics.training) json[name] = Number(value);
  for (const auto& [role, profile] : metrics.recent) AddShares(json, role, profile);
  if (metrics.policies.size() < 2) return json;
  for (const auto& [name, policy] : metrics.policies) {
    const std::string prefix = absl::StrCat("policy/", name, "/");
    json[prefix + "train_steps"] = policy.train_steps;
    json[prefix + "policy_version"] = policy.policy_version;
    AddMeans(json, prefix, policy.episodes);
  }
  return json;
}

double ElapsedBefore(const std::filesystem::path& file) {
  const nlohmann::json line = NewestLine(file);
  return line.is_object() ? line.value("elapsed_seconds", 0.0) : 0;
}

std::map<std::string, double> NewestLosses(const std::filesystem::path& file) {
  std::map<std::string, double> losses;
  const nlohmann::json line = NewestLine(file);
  for (const auto& [name, value] : line.items()) {
    if (name.starts_with("loss/") && value.is_number()) losses[name] = value.get<double>();
  }
  return losses;
}

absl::StatusOr<std::unique_ptr<MetricsWriter>> MetricsWriter::Open(
    const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return WriteError(errno, file);
  auto writer = std::unique_ptr<MetricsWriter>(new MetricsWriter(file, fd));
  if (::ftruncate(fd, WholeLines(fd)) != 0) return WriteError(errno, file);
  return writer;
}

MetricsWriter::~MetricsWriter() { ::close(fd_); }

absl::Status MetricsWriter::Write(const RunMetrics& metrics) {
  const std::string line = ToJson(metrics).dump() + "\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return WriteError(errno, file_);
    rest.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace millrace
