#include "report/tensorboard_writer.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "core/crc32c.h"
#include "millrace/core/status.h"
#include "report/metrics_writer.h"
#include "tensorboard.pb.h"

namespace millrace {
namespace {

double UnixTime() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// TFRecord's checksum: rotated, so that a checksum of bytes with a checksum among them stays good.
uint32_t MaskedCrc(std::string_view bytes) {
  const uint32_t crc = Crc32c(std::as_bytes(std::span(bytes)));
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

template <typename T>
void AppendNumber(std::string& record, T value) {
  record.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Length, its checksum, the data, its checksum; little-endian.
std::string Record(const std::string& data) {
  std::string record;
  AppendNumber<uint64_t>(record, data.size());
  AppendNumber<uint32_t>(record, MaskedCrc(record));
  record += data;
  AppendNumber<uint32_t>(record, MaskedCrc(data));
  return record;
}

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

}  // namespace

TensorBoardWriter::TensorBoardWriter(std::filesystem::path file)
    : file_(std::move(file)), stream_(file_, std::ios::binary | std::ios::app) {}

absl::StatusOr<std::unique_ptr<TensorBoardWriter>> TensorBoardWriter::Create(
    const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  const double now = UnixTime();
  const std::string name = absl::StrCat("events.out.tfevents.", static_cast<int64_t>(now), ".",
                                        HostName(), ".", ::getpid());
  std::unique_ptr<TensorBoardWriter> writer(new TensorBoardWriter(directory / name));
  tensorboard::Event event;
  event.set_wall_time(now);
  event.set_file_version("brain.Event:2");
  MILLRACE_RETURN_IF_ERROR(writer->Append(event.SerializeAsString()));
  return writer;
}

absl::Status TensorBoardWriter::Write(const RunMetrics& metrics) {
  static const std::set<std::string> kAxes = {"time", "env_steps"};
  tensorboard::Event event;
  event.set_wall_time(metrics.time);
  event.set_step(static_cast<int64_t>(metrics.env_steps));
  const auto numbers = ToJson(metrics);
  for (const auto& [key, value] : numbers.items()) {
    if (!value.is_number() || kAxes.contains(key)) continue;
    tensorboard::Summary::Value* scalar = event.mutable_summary()->add_value();
    scalar->set_tag(key.find('/') == std::string::npos ? "run/" + key : key);
    scalar->set_simple_value(value.get<float>());
  }
  return Append(event.SerializeAsString());
}

absl::Status TensorBoardWriter::Append(const std::string& event) {
  stream_ << Record(event) << std::flush;
  if (stream_) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("cannot write ", file_.string()));
}

}  // namespace millrace
