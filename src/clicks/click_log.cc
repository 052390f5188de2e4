#include "clicks/click_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "clicks/click_datasets.h"
#include "clicks/click_fields.h"
#include "millrace/core/status.h"

namespace millrace::clicks {
namespace {

constexpr int64_t kLandmarkEvery = 256;

DatasetSpec LogSpec(const ClickLogOptions& options) {
  std::vector<IdFeature> features;
  for (int64_t f = 0; f < options.features; ++f) {
    features.push_back({.name = absl::StrCat("feature_", f), .rows = options.rows});
  }
  return ClickSpec(options.dense, std::move(features));
}

// The text up to the next separator, which is taken off too.
std::string_view Take(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

template <typename T>
bool Parse(std::string_view text, int base, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

ClickLog::ClickLog(const ClickLogOptions& options) : options_(options), spec_(LogSpec(options)) {}

ClickLog::~ClickLog() {
  if (!text_.empty()) ::munmap(const_cast<char*>(text_.data()), text_.size());
}

absl::StatusOr<std::unique_ptr<ClickLog>> ClickLog::Open(const ClickLogOptions& options) {
  std::unique_ptr<ClickLog> log(new ClickLog(options));
  const int file = ::open(options.file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat about = {};
  if (file < 0 || ::fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
    if (file >= 0) ::close(file);
    return absl::NotFoundError(
        absl::StrCat("click log ", options.file.string(), ": expected a file, got none"));
  }
  const auto bytes = static_cast<size_t>(about.st_size);
  void* const mapped =
      bytes == 0 ? nullptr : ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (mapped == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("click log ", options.file.string(), ": cannot be mapped"));
  }
  if (bytes > 0) log->text_ = {static_cast<const char*>(mapped), bytes};
  MILLRACE_RETURN_IF_ERROR(log->MakeIndex());
  return log;
}

absl::Status ClickLog::MakeIndex() {
  int64_t lines = 0;
  for (size_t begin = 0; begin < text_.size(); ++lines) {
    if (lines % kLandmarkEvery == 0) landmarks_.push_back(begin);
    const size_t end = text_.find('\n', begin);
    if (end == std::string_view::npos) {
      return Complain(lines, "a line with an end", "the end of the file");
    }
    begin = end + 1;
  }
  spec_.samples = lines;
  return lines > 0 ? absl::OkStatus() : Complain(0, "a sample", "the end of the file");
}

std::string_view ClickLog::From(int64_t number) const {
  std::string_view text = text_.substr(landmarks_[static_cast<size_t>(number / kLandmarkEvery)]);
  for (int64_t skip = number % kLandmarkEvery; skip > 0; --skip) Take(text, '\n');
  return text;
}

absl::Status ClickLog::Complain(int64_t line, std::string_view expected,
                                std::string_view got) const {
  return absl::DataLossError(absl::StrCat(options_.file.string(), ":", line + 1, ": expected ",
                                          std::string(expected), ", got ", std::string(got)));
}

absl::Status ClickLog::Read(int64_t first, int64_t count, std::span<const TensorView> fields) {
  const ClickWriter writer(spec_, fields);
  std::string_view text = From(first);
  for (int64_t i = 0; i < count; ++i) {
    std::string_view line = Take(text, '\n');
    const auto wanted = 1 + options_.dense + options_.features;
    if (const int64_t got = 1 + std::ranges::count(line, '\t'); got != wanted) {
      return Complain(first + i, absl::StrCat(wanted, " fields separated by tabs"),
                      absl::StrCat(got));
    }
    const auto wrong = [&](std::string_view expected, std::string_view got) {
      return Complain(first + i, expected, absl::StrCat("\"", std::string(got), "\""));
    };
    const std::string_view label = Take(line, '\t');
    if (label != "0" && label != "1") return wrong("the label 0 or 1", label);
    writer.label(i) = label == "1" ? 1 : 0;
    for (float& x : writer.dense(i)) {
      const std::string_view field = Take(line, '\t');
      int64_t number = 0;
      if (!field.empty() && !Parse(field, 10, number)) return wrong("an integer or none", field);
      x = static_cast<float>(std::log1p(static_cast<double>(std::max<int64_t>(number, 0))));
    }
    const auto ids = writer.ids(i);
    auto next = ids.begin();
    for (int32_t& listed : writer.counts(i)) {
      const std::string_view field = Take(line, '\t');
      uint64_t number = 0;
      if (!field.empty() && !Parse(field, 16, number)) {
        return wrong("a hexadecimal number or none", field);
      }
      listed = field.empty() ? 0 : 1;
      if (listed > 0) {
        *next++ = static_cast<int64_t>(number % static_cast<uint64_t>(options_.rows));
      }
    }
    std::fill(next, ids.end(), 0);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Dataset>> MakeClickLog(const Options& options, DatasetSplit split) {
  ClickLogOptions made;
  const std::string file = options.GetString("file", "");
  const std::string held_out = options.GetString("held_out_file", "");
  made.dense = options.GetInt("dense", made.dense, 1, 100'000);
  made.features = options.GetInt("features", made.features, 1, 100'000);
  made.rows = options.GetInt("rows", made.rows, 1, int64_t{1} << 31);
  MILLRACE_RETURN_IF_ERROR(options.Finish("dataset click_log"));
  made.file = split == DatasetSplit::kTrain ? file : held_out;
  if (made.file.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(split == DatasetSplit::kTrain ? "file" : "held_out_file",
                     ": expected the path of a file, got nothing"));
  }
  return ClickLog::Open(made);
}

}  // namespace millrace::clicks
