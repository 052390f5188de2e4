#include "core/process_identity.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace millrace {
namespace {

TEST(ProcessIdentity, ThisProcessIsAlive) {
  EXPECT_EQ(ThisProcess().pid, ::getpid());
  EXPECT_TRUE(IsAlive(ThisProcess()));
}

TEST(ProcessIdentity, AgeIsTheTimeSinceTheStart) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::pause();
  }
  const ProcessIdentity identity = IdentityOf(child);
  EXPECT_GE(Age(identity), std::chrono::nanoseconds(0));
  EXPECT_LT(Age(identity), std::chrono::seconds(30));
  EXPECT_LT(Age(identity), Age({::getpid(), 1}));
  EXPECT_EQ(Age({}), std::chrono::nanoseconds(0));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(ProcessIdentity, ARecycledPidIsAnotherProcess) {
  ProcessIdentity other = ThisProcess();
  ++other.start_ticks;
  EXPECT_FALSE(IsAlive(other));
}

TEST(ProcessIdentity, AZombieIsDead) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::pause();
  }
  const ProcessIdentity identity = IdentityOf(child);
  EXPECT_TRUE(IsAlive(identity));
  ::kill(child, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(IsAlive(identity));
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(IdentityOf(child).start_ticks, 0u);
}

}  // namespace
}  // namespace millrace
