// `millrace plot`: learning curves of a run, live or ended, as SVG and PNG, and its report.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "cli/common/exit_code.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/run_directory.h"
#include "millrace/core/status.h"
#include "report/plot/run_charts.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

absl::Status WriteText(const fs::path& file, const std::string& text) {
  std::ofstream stream(file, std::ios::trunc);
  stream << text << std::flush;
  return stream ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write " + file.string());
}

absl::Status Plot(const std::string& run, const std::string& out) {
  MILLRACE_ASSIGN_OR_RETURN(const RunPaths paths, FindRunDirectory(run));
  MILLRACE_ASSIGN_OR_RETURN(const auto charts, RunCharts(paths));
  const fs::path folder = out.empty() ? paths.plots() : fs::path(out);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return absl::ResourceExhaustedError("cannot make " + folder.string());
  for (const auto& [name, chart] : charts) {
    const fs::path svg = folder / (name + ".svg"), png = folder / (name + ".png");
    MILLRACE_RETURN_IF_ERROR(WriteText(svg, RenderSvg(chart)));
    MILLRACE_RETURN_IF_ERROR(WritePng(chart, png));
    std::printf("%s\n%s\n", svg.string().c_str(), png.string().c_str());
  }
  MILLRACE_RETURN_IF_ERROR(WriteReport(paths));
  std::printf("%s\n", paths.report().string().c_str());
  return absl::OkStatus();
}

}  // namespace

void AddPlotCommand(CLI::App& app, int& exit_code) {
  auto* command =
      app.add_subcommand("plot", "Draws a run's curves (SVG, PNG) and its report.html.");
  auto run = std::make_shared<std::string>();
  auto out = std::make_shared<std::string>();
  command->add_option("run", *run, "run directory, or its name below runs/")->required();
  command->add_option("--out", *out, "directory of the pictures; default: RUN/plots");
  command->footer("Example: millrace plot runs/cartpole-ppo");
  command->callback([run, out, &exit_code] {
    const absl::Status status = Plot(*run, *out);
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

}  // namespace millrace
