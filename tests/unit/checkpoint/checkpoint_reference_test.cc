#include "checkpoint/checkpoint_reference.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(CheckpointReference, ReadsARunAndItsStep) {
  const auto newest = CheckpointReference::Parse("runs/a");
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ(newest->run, "runs/a");
  EXPECT_FALSE(newest->step.has_value());

  const auto chosen = CheckpointReference::Parse("runs/me@home@120");
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->run, "runs/me@home");
  EXPECT_EQ(chosen->step, 120u);
}

TEST(CheckpointReference, RefusesAStepThatIsNoNumber) {
  for (const char* text : {"runs/a@", "runs/a@latest", "runs/a@-1", "runs/a@1.5"}) {
    EXPECT_EQ(CheckpointReference::Parse(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

}  // namespace
}  // namespace millrace
