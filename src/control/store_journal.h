// Keeps the shared store alive when the controller dies.
#pragma once

#include <filesystem>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control.pb.h"
#include "control/shared_store.h"

namespace millrace {

// An append-only file of the changes. It lies in the run's shared-memory directory: it outlives the
// controller, not the run, whose next start forms its trainer groups anew. Thread-compatible.
class StoreJournal {
 public:
  // Replays what is there into `store` and appends from then on. A record cut off by a crash, and
  // what follows it, is dropped: its caller was not answered and repeats it.
  static absl::StatusOr<std::unique_ptr<StoreJournal>> Open(const std::filesystem::path& file,
                                                            SharedStore& store);
  ~StoreJournal();
  StoreJournal(const StoreJournal&) = delete;
  StoreJournal& operator=(const StoreJournal&) = delete;

  absl::Status Append(const control::StoreJournalRecord& record);

 private:
  explicit StoreJournal(int file) : file_(file) {}
  int file_;
};

}  // namespace millrace
