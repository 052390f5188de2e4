#include "checkpoint/checkpoint_store.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "checkpoint/durable_file.h"
#include "checkpoint/manifest.h"
#include "core/process_identity.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

constexpr char kTemporary[] = ".tmp";
constexpr size_t kMaxManifestBytes = size_t{256} << 20;

// ".tmp-PID-START-STEP": says who is working in it.
std::string TemporaryName(uint64_t train_steps) {
  const ProcessIdentity self = ThisProcess();
  return absl::StrCat(kTemporary, "-", self.pid, "-", self.start_ticks, "-", train_steps);
}

bool IsLeftOver(const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '-');
  ProcessIdentity writer;
  if (parts.size() < 4 || parts[0] != kTemporary) return false;
  if (!absl::SimpleAtoi(parts[1], &writer.pid)) return false;
  if (!absl::SimpleAtoi(parts[2], &writer.start_ticks)) return false;
  return !IsAlive(writer);
}

// A decimal number as we write it: no sign, no leading zeros.
std::optional<uint64_t> ParseStep(const std::string& name) {
  uint64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, step);
  if (error != std::errc() || rest != end || std::to_string(step) != name) return std::nullopt;
  return step;
}

absl::Status WriteFiles(const fs::path& folder, const Checkpoint& checkpoint) {
  Manifest manifest{
      .train_steps = checkpoint.train_steps, .files = {}, .state_json = checkpoint.manifest_json};
  for (const auto& [name, contents] : checkpoint.files) {
    manifest.files[name] = Summarize(contents);
  }
  MILLRACE_ASSIGN_OR_RETURN(const std::string text, EncodeManifest(manifest));
  std::error_code error;
  fs::create_directory(folder, error);
  if (error) return FileError(error.value(), absl::StrCat("cannot create ", folder.string()));
  for (const auto& [name, contents] : checkpoint.files) {
    MILLRACE_RETURN_IF_ERROR(WriteDurably(folder / name, contents));
  }
  MILLRACE_RETURN_IF_ERROR(WriteDurably(folder / kManifestName, text));
  return SyncFolder(folder);
}

// Taken out of sight first, so that nobody finds half a checkpoint.
void Remove(const fs::path& directory, uint64_t step) {
  const fs::path aside = directory / (TemporaryName(step) + "-removed");
  std::error_code ignored;  // a left-over is removed by the next Open()
  fs::rename(directory / std::to_string(step), aside, ignored);
  fs::remove_all(aside, ignored);
}

std::string Context(uint64_t train_steps) { return absl::StrCat("checkpoint ", train_steps); }

absl::StatusOr<Manifest> ReadManifest(const fs::path& directory, uint64_t train_steps) {
  const std::string context = Context(train_steps);
  auto text = ReadWhole(directory / std::to_string(train_steps) / kManifestName, kMaxManifestBytes);
  if (!text.ok()) return WithContext(text.status(), context);
  auto manifest = DecodeManifest(*text);
  if (!manifest.ok()) return WithContext(manifest.status(), context);
  if (manifest->train_steps != train_steps) {
    return absl::DataLossError(
        absl::StrCat(context, ": its manifest is of checkpoint ", manifest->train_steps));
  }
  return manifest;
}

}  // namespace

absl::StatusOr<CheckpointStore> CheckpointStore::Open(fs::path directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return FileError(error.value(), absl::StrCat("cannot create ", directory.string()));
  std::vector<fs::path> left_over;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (IsLeftOver(entry.path().filename().string())) left_over.push_back(entry.path());
  }
  if (error) return FileError(error.value(), absl::StrCat("cannot list ", directory.string()));
  for (const fs::path& path : left_over) fs::remove_all(path, error);
  return CheckpointStore(std::move(directory));
}

absl::Status CheckpointStore::Write(const Checkpoint& checkpoint, int keep) {
  const fs::path temporary = directory_ / TemporaryName(checkpoint.train_steps);
  const fs::path final_path = directory_ / std::to_string(checkpoint.train_steps);
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  absl::Status status = WriteFiles(temporary, checkpoint);
  if (status.ok()) status = Exchange(temporary, final_path);
  if (status.ok()) status = SyncFolder(directory_);
  fs::remove_all(temporary, ignored);  // after a failure, or what was replaced
  if (!status.ok()) {
    return WithContext(status, Context(checkpoint.train_steps));
  }
  // Those after the one just written (left by a run that went back) are none of its business.
  std::vector<uint64_t> steps = List();
  std::erase_if(steps, [&](uint64_t step) { return step > checkpoint.train_steps; });
  const auto kept = static_cast<size_t>(std::max(keep, 1));
  for (size_t i = 0; i + kept < steps.size(); ++i) Remove(directory_, steps[i]);
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> CheckpointStore::ReadNewest(std::vector<std::string>* rejected) const {
  std::vector<uint64_t> steps = List();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    absl::StatusOr<Checkpoint> checkpoint = Read(*step);
    if (checkpoint.ok()) return checkpoint;
    if (rejected != nullptr) rejected->emplace_back(checkpoint.status().message());
  }
  return absl::NotFoundError(absl::StrCat(
      directory_.string(), ": expected a valid checkpoint, got ", steps.size(), " damaged ones"));
}

absl::StatusOr<std::string> CheckpointStore::ReadManifestJson(uint64_t train_steps) const {
  MILLRACE_ASSIGN_OR_RETURN(Manifest manifest, ReadManifest(directory_, train_steps));
  return std::move(manifest.state_json);
}

absl::StatusOr<Checkpoint> CheckpointStore::Read(uint64_t train_steps) const {
  MILLRACE_ASSIGN_OR_RETURN(Manifest manifest, ReadManifest(directory_, train_steps));
  const fs::path folder = directory_ / std::to_string(train_steps);
  Checkpoint checkpoint{
      .train_steps = train_steps, .files = {}, .manifest_json = std::move(manifest.state_json)};
  for (const auto& [name, expected] : manifest.files) {
    auto contents = ReadWhole(folder / name, expected.bytes);
    if (contents.ok() && Summarize(*contents) != expected) {
      contents = absl::DataLossError(absl::StrCat(name, ": size or checksum is wrong"));
    }
    if (!contents.ok()) {
      return absl::DataLossError(
          absl::StrCat(Context(train_steps), ": ", std::string(contents.status().message())));
    }
    checkpoint.files[name] = *std::move(contents);
  }
  return checkpoint;
}

std::vector<uint64_t> CheckpointStore::List() const {
  std::vector<uint64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    const auto step = ParseStep(entry.path().filename().string());
    if (step && fs::exists(entry.path() / kManifestName, error)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

}  // namespace millrace
