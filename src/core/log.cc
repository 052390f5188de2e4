#include "core/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"

namespace millrace {

absl::Status InitLogging(const LogOptions& options) {
  const auto level = spdlog::level::from_str(options.level);
  if (level == spdlog::level::off && options.level != "off") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--log-level: expected trace, debug, info, warning, error, critical or off, got \"",
        options.level, "\""));
  }
  try {
    spdlog::drop(options.name);
    auto logger = options.file.empty()
                      ? spdlog::stderr_color_mt(options.name)
                      : spdlog::basic_logger_mt(options.name, options.file.string());
    logger->set_level(level);
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %n %l: %v");
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot log to ", options.file.string(), ": ", error.what()));
  }
  return absl::OkStatus();
}

}  // namespace millrace
