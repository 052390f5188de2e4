#include "launcher/process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "core/deadline.h"

namespace millrace {
namespace {

std::optional<ProcessExit> WaitForExit(pid_t group) {
  const Deadline deadline = After(std::chrono::seconds(20));
  while (!Expired(deadline)) {
    if (auto exit = ReapFromGroup(group)) return exit;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return std::nullopt;
}

class ProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  absl::StatusOr<pid_t> Shell(const std::string& script) {
    return Spawn({.arguments = {"/bin/sh", "-c", script},
                  .environment = {{"MILLRACE_TEST", "value"}},
                  .log_file = directory_ / "log"});
  }
  std::string Log() {
    std::ifstream file(directory_ / "log");
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  std::filesystem::path directory_;
};

TEST_F(ProcessTest, OutputIsAppendedToTheLog) {
  for (int i = 0; i < 2; ++i) {
    const auto pid = Shell("echo $MILLRACE_TEST; echo error >&2; exit 7");
    ASSERT_TRUE(pid.ok()) << pid.status();
    const auto exit = WaitForExit(*pid);
    ASSERT_TRUE(exit.has_value());
    EXPECT_EQ(exit->exit_code, 7);
    EXPECT_EQ(exit->signal, 0);
  }
  EXPECT_EQ(Log(), "value\nerror\nvalue\nerror\n");
}

TEST_F(ProcessTest, EachHasAGroupOfItsOwnAndDefaultSignals) {
  std::signal(SIGTERM, SIG_IGN);
  const auto pid = Shell("sleep 100");
  std::signal(SIGTERM, SIG_DFL);
  ASSERT_TRUE(pid.ok()) << pid.status();
  EXPECT_EQ(::getpgid(*pid), *pid);
  EXPECT_TRUE(SignalGroup(*pid, SIGTERM));
  const auto exit = WaitForExit(*pid);
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->signal, SIGTERM);
}

TEST_F(ProcessTest, OrphansOfAGroupAreReapedBySubReapers) {
  ASSERT_TRUE(BecomeSubReaper().ok());
  const auto pid = Shell("sleep 100 & exit 0");
  ASSERT_TRUE(pid.ok()) << pid.status();
  const auto leader = WaitForExit(*pid);
  ASSERT_TRUE(leader.has_value());
  EXPECT_EQ(leader->pid, *pid);
  EXPECT_TRUE(SignalGroup(*pid, SIGKILL));
  const auto orphan = WaitForExit(*pid);
  ASSERT_TRUE(orphan.has_value());
  EXPECT_NE(orphan->pid, *pid);
  EXPECT_FALSE(SignalGroup(*pid, 0));
}

TEST_F(ProcessTest, MissingBinaryIsAnError) {
  const auto pid = Spawn({.arguments = {(directory_ / "nothing").string()},
                          .environment = {},
                          .log_file = directory_ / "log"});
  EXPECT_TRUE(absl::IsNotFound(pid.status())) << pid.status();
}

}  // namespace
}  // namespace millrace
