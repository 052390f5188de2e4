// For processes that must not outlive the one that started them.
#pragma once

#include <unistd.h>

namespace millrace {

// Notices that the parent has died: the kernel hands its children to somebody else. `expected` is
// the parent's pid if it is known, so that a parent that died before this was made is noticed too.
// Thread-safe.
class ParentWatch {
 public:
  explicit ParentWatch(pid_t expected = ::getppid()) : parent_(expected) {}
  bool ParentGone() const { return ::getppid() != parent_; }

 private:
  pid_t parent_;
};

}  // namespace millrace
