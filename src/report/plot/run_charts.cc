#include "report/plot/run_charts.h"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "config/experiment.h"
#include "millrace/core/status.h"
#include "report/progress.h"
#include "report/replace_file.h"
#include "report/stages.h"

namespace millrace {
namespace {

using nlohmann::ordered_json;

std::string ReadText(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

ordered_json ReadJson(const std::filesystem::path& file) {
  return ordered_json::parse(ReadText(file), nullptr, /*allow_exceptions=*/false);
}

// metrics.jsonl by key; a value that is null or missing in a line leaves no point.
class Curves {
 public:
  static absl::StatusOr<Curves> Read(const std::filesystem::path& file) {
    Curves curves;
    std::ifstream stream(file);
    for (std::string text; std::getline(stream, text);) {
      const auto line = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
      if (!line.is_object() || !line.contains("env_steps")) continue;
      const auto steps = line["env_steps"].get<double>();
      for (const auto& [key, value] : line.items()) {
        if (!value.is_number()) continue;
        Series& series = curves.by_key_[key];
        series.x.push_back(steps);
        series.y.push_back(value.get<double>());
      }
    }
    if (curves.by_key_.empty()) {
      return absl::NotFoundError(absl::StrCat(file.string(), " has no metrics yet"));
    }
    return curves;
  }

  // Those whose key is `prefix` or begins with it and ends with `suffix`, named by what lies
  // between.
  std::vector<Series> Select(const std::string& prefix, const std::string& suffix = "") const {
    std::vector<Series> selected;
    for (auto found = by_key_.lower_bound(prefix);
         found != by_key_.end() && found->first.starts_with(prefix); ++found) {
      const std::string& key = found->first;
      if (!key.ends_with(suffix) || key.size() < prefix.size() + suffix.size()) continue;
      Series series = found->second;
      series.name = key.substr(prefix.size(), key.size() - prefix.size() - suffix.size());
      selected.push_back(std::move(series));
    }
    return selected;
  }
  std::vector<Series> One(const std::string& key) const {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? std::vector<Series>{} : std::vector<Series>{found->second};
  }

 private:
  std::map<std::string, Series> by_key_;
};

// What the experiment aims at, and which of its stages were reached.
struct Aims {
  std::optional<double> goal;
  std::vector<StageReached> stages;
};

Aims AimsOf(const RunPaths& paths) {
  const auto config = LoadExperiment(paths.config());
  if (!config.ok()) return {};
  StageDetector detector(config->report);
  if (!config->report.stages.empty()) detector.AddFile(paths.metrics());
  return {config->stop.episode_return, detector.reached()};
}

std::string Escape(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

std::string Shorten(const ordered_json& value) {
  if (value.is_string()) return Escape(value.get<std::string>());
  if (value.is_number_float()) return absl::StrFormat("%.6g", value.get<double>());
  return Escape(value.dump());
}

std::string Table(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::string html = "<table>\n";
  for (const auto& [name, value] : rows) {
    absl::StrAppend(&html, "<tr><th>", name, "</th><td>", value, "</td></tr>\n");
  }
  return html + "</table>\n";
}

std::string Overview(const ordered_json& summary) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const char* key :
       {"status", "reason", "bottleneck", "env_steps", "episodes", "train_steps",
        "episode_return_mean", "env_steps_to_goal", "seconds_to_goal", "wall_seconds",
        "steps_per_second", "steps_per_cpu_second", "policy_lag_max", "sample_reuse", "cores",
        "cpu_seconds_by_role", "peak_rss_bytes_by_role", "restarts_by_role", "versions"}) {
    if (summary.contains(key)) rows.emplace_back(key, Shorten(summary[key]));
  }
  return Table(rows);
}

std::string StagesSection(const std::vector<StageReached>& stages) {
  std::string html =
      "<h2>Stages</h2>\n<table>\n<tr><th>stage</th><th>environment steps</th>"
      "<th>episodes</th><th>since launch</th></tr>\n";
  for (const StageReached& stage : stages) {
    absl::StrAppend(&html, "<tr><td>", Escape(stage.name), "</td><td>", HumanCount(stage.env_steps),
                    "</td><td>", HumanCount(stage.episodes), "</td><td>",
                    HumanSeconds(stage.elapsed_seconds), "</td></tr>\n");
  }
  return html + "</table>\n";
}

// One bar per activity, indented by its depth; widths are shares of the thread's time.
void AppendProfile(std::string& html, const std::string& name, const ordered_json& node,
                   double whole, int depth) {
  const double seconds = node.value("seconds", 0.0);
  const double share = whole > 0 ? seconds / whole : 0;
  absl::StrAppendFormat(&html,
                        "<div class=bar style='margin-left:%dem'><span style='width:%.1f%%'></span>"
                        "%s <small>%.1f %% &middot; %.2f s</small></div>\n",
                        2 * depth, 100 * share, Escape(name), 100 * share, seconds);
  if (!node.contains("parts")) return;
  for (const auto& [part, child] : node["parts"].items()) {
    AppendProfile(html, part, child, whole, depth + 1);
  }
}

std::string ProfileSection(const ordered_json& profile) {
  std::string html;
  for (const auto& [role, entry] : profile.items()) {
    absl::StrAppendFormat(&html, "<h3>%s &times; %d</h3>\n", Escape(role),
                          entry.value("processes", 0));
    if (!entry.contains("threads")) continue;
    for (const auto& [thread, node] : entry["threads"].items()) {
      AppendProfile(html, thread, node, node.value("seconds", 0.0), 0);
    }
  }
  return html;
}

std::string StreamsSection(const ordered_json& streams) {
  std::string html =
      "<table>\n<tr><th>stream</th><th>produced</th><th>trained</th><th>dropped</th>"
      "<th>in flight</th><th>redelivered</th><th>adds up</th></tr>\n";
  for (const auto& [name, counts] : streams.items()) {
    absl::StrAppend(&html, "<tr><td>", Escape(name), "</td>");
    for (const char* key :
         {"produced", "trained", "dropped", "in_flight", "redelivered", "holds"}) {
      absl::StrAppend(&html, "<td>", counts.contains(key) ? Shorten(counts[key]) : "", "</td>");
    }
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

constexpr char kStyle[] =
    "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}th,td{border-bottom:1px solid #ddd;padding:.2em .8em;"
    "text-align:left;vertical-align:top}pre{background:#f6f6f6;padding:1em;overflow:auto}"
    ".charts{display:flex;flex-wrap:wrap;gap:1em}.charts svg{width:32em;height:20em}"
    ".bar{position:relative;padding:.1em .4em}.bar span{position:absolute;left:0;top:0;bottom:0;"
    "background:#cfe3f1;z-index:-1}small{color:#666}";

// Inside a page an SVG has no XML declaration, and ids of glyphs must differ between the charts.
std::string Inline(std::string svg, size_t number) {
  svg.erase(0, svg.find("<svg"));
  const std::string prefix = absl::StrCat("c", number, "-");
  return absl::StrReplaceAll(svg, {{"id=\"", absl::StrCat("id=\"", prefix)},
                                   {"href=\"#", absl::StrCat("href=\"#", prefix)},
                                   {"url(#", absl::StrCat("url(#", prefix)}});
}

absl::StatusOr<std::vector<std::pair<std::string, Chart>>> ChartsOf(const RunPaths& paths,
                                                                    const Aims& aims) {
  MILLRACE_ASSIGN_OR_RETURN(const Curves curves, Curves::Read(paths.metrics()));
  std::vector<std::pair<std::string, Chart>> charts;
  const auto add = [&](const std::string& name, const std::string& title,
                       const std::string& y_label, std::vector<Series> series) -> Chart* {
    if (series.empty()) return nullptr;
    charts.emplace_back(name, Chart{.title = title,
                                    .x_label = "environment steps",
                                    .y_label = y_label,
                                    .series = std::move(series),
                                    .goal = std::nullopt});
    return &charts.back().second;
  };
  std::vector<Series> returns = curves.Select("policy/", "/episode_return_mean");
  if (returns.size() < 2) returns = curves.One("episode_return_mean");
  if (Chart* chart = add("episode_return_mean", "Return, mean of the last 100 episodes", "return",
                         std::move(returns))) {
    chart->goal = aims.goal;
  }
  add("episode_length_mean", "Length, mean of the last 100 episodes", "steps",
      curves.One("episode_length_mean"));
  add("steps_per_second", "Throughput over the last ten seconds", "environment steps/s",
      curves.One("steps_per_second"));
  for (const Series& number : curves.Select("environment/")) {
    Chart& chart =
        *add("environment_" + number.name, "environment/" + number.name, number.name, {number});
    for (const StageReached& stage : aims.stages) {
      chart.marks.push_back({static_cast<double>(stage.env_steps), stage.name});
    }
  }
  for (const std::string group : {"loss", "backend"}) {
    for (const Series& number : curves.Select(group + "/")) {
      add(group + "_" + number.name, group + "/" + number.name, number.name, {number});
    }
  }
  return charts;
}

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, Chart>>> RunCharts(const RunPaths& paths) {
  return ChartsOf(paths, AimsOf(paths));
}

absl::Status WriteReport(const RunPaths& paths) {
  const Aims aims = AimsOf(paths);
  MILLRACE_ASSIGN_OR_RETURN(const auto charts, ChartsOf(paths, aims));
  const ordered_json summary = ReadJson(paths.summary());
  const std::string name = Escape(paths.root().filename().string());
  std::string html =
      absl::StrCat("<!doctype html>\n<html lang=en><meta charset=utf-8>\n<title>", name,
                   "</title>\n<style>", kStyle, "</style>\n<h1>", name, "</h1>\n");
  if (summary.is_object()) html += Overview(summary);
  if (!aims.stages.empty()) html += StagesSection(aims.stages);
  html += "<h2>Curves</h2>\n<div class=charts>\n";
  for (size_t i = 0; i < charts.size(); ++i) html += Inline(RenderSvg(charts[i].second), i);
  html += "</div>\n";
  if (summary.contains("profile")) {
    absl::StrAppend(&html, "<h2>Where the time went</h2>\n", ProfileSection(summary["profile"]));
  }
  if (summary.contains("streams")) {
    absl::StrAppend(&html, "<h2>Where the samples went</h2>\n<p>In segments.</p>\n",
                    StreamsSection(summary["streams"]));
  }
  absl::StrAppend(&html, "<h2>Configuration</h2>\n<pre>", Escape(ReadText(paths.config())),
                  "</pre>\n</html>\n");
  return ReplaceFile(paths.report(), html);
}

}  // namespace millrace
