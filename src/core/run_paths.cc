#include "core/run_paths.h"

#include <spdlog/fmt/fmt.h>

#include <cstdint>
#include <cstdlib>

namespace millrace {
namespace {

uint64_t HashOf(const std::string& text) {
  uint64_t state = 0xCBF29CE484222325;  // FNV-1a
  for (char c : text) state = (state ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return state;
}

}  // namespace

RunPaths::RunPaths(const std::filesystem::path& run_directory)
    : root_(std::filesystem::absolute(run_directory).lexically_normal()) {}

std::filesystem::path RunPaths::shm() const {
  const char* directory = std::getenv("MILLRACE_SHM_DIR");
  return std::filesystem::path(directory == nullptr ? "/dev/shm" : directory) /
         fmt::format("millrace-{:016x}", HashOf(root_.string()));
}

std::filesystem::path RunPaths::bell(const std::string& role, unsigned index) const {
  return shm() / fmt::format("bell-{}-{}", role, index);
}

}  // namespace millrace
