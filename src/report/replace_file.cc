#include "report/replace_file.h"

#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace millrace {

absl::Status ReplaceFile(const std::filesystem::path& file, const std::string& text) {
  const std::filesystem::path temporary = file.string() + ".tmp";
  {
    std::ofstream stream(temporary, std::ios::trunc);
    stream << text << std::flush;
    if (!stream)
      return absl::ResourceExhaustedError(absl::StrCat("cannot write ", temporary.string()));
  }
  std::error_code error;
  std::filesystem::rename(temporary, file, error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("cannot rename to ", file.string(), ": ", error.message()));
}

}  // namespace millrace
