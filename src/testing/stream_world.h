// Workers of one run inside a test: a name service, doorbells and a directory for shared memory.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/doorbell.h"
#include "core/mapped_file.h"
#include "net/in_memory_name_service.h"
#include "streams/factory.h"

namespace millrace {

// Outlives the stream ends made with its contexts. Contexts are made on one thread.
class StreamWorld {
 public:
  StreamWorld();
  ~StreamWorld();
  // The context of one more worker, with a doorbell of its own and no ledger.
  StreamContext Worker(uint32_t index, uint32_t incarnation = 1);
  const std::filesystem::path& directory() const { return directory_; }
  InMemoryNameService& names() { return names_; }

 private:
  const std::filesystem::path directory_;
  std::vector<std::unique_ptr<MappedFile>> bells_;
  InMemoryNameService names_;  // last: it rings the bells
};

// Waits until the condition holds; false if it still does not after ten seconds. The condition is
// looked at whenever the bell rings and every few milliseconds.
bool Eventually(Doorbell& bell, const std::function<bool()>& condition);
// The same, but between two looks the bell must ring: for tests of doorbells.
bool EventuallyByBell(Doorbell& bell, const std::function<bool()>& condition);

// A payload that differs from those of other seeds in most bytes.
void FillPattern(std::span<std::byte> bytes, uint64_t seed);
bool HasPattern(std::span<const std::byte> bytes, uint64_t seed);

}  // namespace millrace
