// Files that readers see whole or not at all.
#pragma once

#include <filesystem>
#include <string>

#include "absl/status/status.h"

namespace millrace {

// Writes `text` beside `file` and puts it in its place. kResourceExhausted if it cannot be written.
absl::Status ReplaceFile(const std::filesystem::path& file, const std::string& text);

}  // namespace millrace
