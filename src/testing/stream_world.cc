#include "testing/stream_world.h"

#include <stdlib.h>

#include <algorithm>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "millrace/core/check.h"

namespace millrace {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::milliseconds kGlance{5};

std::filesystem::path MakeDirectory() {
  std::string name = std::filesystem::temp_directory_path() / "millrace-streams-XXXXXX";
  MILLRACE_CHECK(::mkdtemp(name.data()) != nullptr, "cannot make a temporary directory");
  return name;
}

bool WaitFor(Doorbell& bell, const std::function<bool()>& condition, Clock::duration glance) {
  const Deadline end = After(kPatience);
  for (;;) {
    const uint32_t seen = bell.Value();
    if (condition()) return true;
    if (Expired(end)) return false;
    bell.Wait(seen, std::min(end, After(glance)));
  }
}

std::byte PatternByte(uint64_t seed, size_t i) {
  return static_cast<std::byte>((seed * 131 + i * 7 + (i >> 8)) & 0xFF);
}

}  // namespace

StreamWorld::StreamWorld() : directory_(MakeDirectory()) {}

StreamWorld::~StreamWorld() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

StreamContext StreamWorld::Worker(uint32_t index, uint32_t incarnation) {
  auto bell =
      MappedFile::Create(directory_ / absl::StrCat("bell-", bells_.size()), sizeof(Doorbell));
  MILLRACE_CHECK(bell.ok(), std::string(bell.status().message()));
  bells_.push_back(*std::move(bell));
  StreamContext context;
  context.names = &names_;
  context.bell = bells_.back()->At<Doorbell>(0);
  context.bell_path = bells_.back()->path();
  context.shm_directory = directory_;
  context.index = index;
  context.incarnation = incarnation;
  return context;
}

bool Eventually(Doorbell& bell, const std::function<bool()>& condition) {
  return WaitFor(bell, condition, kGlance);
}

bool EventuallyByBell(Doorbell& bell, const std::function<bool()>& condition) {
  return WaitFor(bell, condition, kPatience);
}

void FillPattern(std::span<std::byte> bytes, uint64_t seed) {
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = PatternByte(seed, i);
}

bool HasPattern(std::span<const std::byte> bytes, uint64_t seed) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != PatternByte(seed, i)) return false;
  }
  return true;
}

}  // namespace millrace
