#include "control/store_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

using Length = uint32_t;

// Applies the whole records in `text`; how many bytes they take.
size_t Replay(const std::string& text, SharedStore& store) {
  size_t position = 0;
  while (text.size() - position >= sizeof(Length)) {
    Length length = 0;
    std::memcpy(&length, text.data() + position, sizeof(length));
    if (text.size() - position - sizeof(length) < length) break;
    control::StoreJournalRecord record;
    if (!record.ParseFromString(text.substr(position + sizeof(length), length))) break;
    control::StoreReply reply;
    store.Apply(record.owner(), record.request(), &reply);
    position += sizeof(length) + length;
  }
  return position;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoreJournal>> StoreJournal::Open(const std::filesystem::path& path,
                                                                 SharedStore& store) {
  size_t whole = 0;
  if (std::ifstream old(path, std::ios::binary); old) {
    whole = Replay({std::istreambuf_iterator<char>(old), std::istreambuf_iterator<char>()}, store);
  }
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path.string()));
  std::unique_ptr<StoreJournal> journal(new StoreJournal(file));
  if (::ftruncate(file, static_cast<off_t>(whole)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("truncate ", path.string()));
  }
  return journal;
}

StoreJournal::~StoreJournal() { ::close(file_); }

absl::Status StoreJournal::Append(const control::StoreJournalRecord& record) {
  const std::string body = record.SerializeAsString();
  const auto length = static_cast<Length>(body.size());
  std::string text(sizeof(length), '\0');
  std::memcpy(text.data(), &length, sizeof(length));
  text += body;
  if (::write(file_, text.data(), text.size()) != std::ssize(text)) {
    return absl::ErrnoToStatus(errno, "cannot write the journal of the shared store");
  }
  return absl::OkStatus();
}

}  // namespace millrace
