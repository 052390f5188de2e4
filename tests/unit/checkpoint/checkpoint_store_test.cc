#include "checkpoint/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "core/deadline.h"
#include "core/process_identity.h"
#include "text.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckpointStoreTest : public ::testing::Test {
 protected:
  CheckpointStoreTest()
      : folder_(fs::path(::testing::TempDir()) /
                (std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) +
                 "." + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
  }
  ~CheckpointStoreTest() override { fs::remove_all(folder_); }

  CheckpointStore Open() { return *CheckpointStore::Open(folder_); }
  static Checkpoint Sample(uint64_t step, const std::string& weights = "weights") {
    return {.train_steps = step,
            .files = {{"model.safetensors", weights}, {"optimizer.safetensors", "moments"}},
            .manifest_json = R"({"env_steps":7})"};
  }
  void Write(CheckpointStore& store, uint64_t step, int keep = 100) {
    const absl::Status status = store.Write(Sample(step), keep);
    ASSERT_TRUE(status.ok()) << status;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  const fs::path folder_;
};

TEST_F(CheckpointStoreTest, ReadsBackWhatItWrote) {
  CheckpointStore store = Open();
  EXPECT_EQ(store.ReadNewest().status().code(), absl::StatusCode::kNotFound);
  Write(store, 0);
  Write(store, 5);
  EXPECT_THAT(store.List(), ElementsAre(0, 5));
  const auto newest = store.ReadNewest();
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ(newest->train_steps, 5u);
  EXPECT_EQ(newest->files, Sample(5).files);
  EXPECT_EQ(newest->manifest_json, Sample(5).manifest_json);
  EXPECT_EQ(store.Read(0)->train_steps, 0u);
  EXPECT_EQ(store.Read(3).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CheckpointStoreTest, KeepsTheNewest) {
  CheckpointStore store = Open();
  for (uint64_t step : {0, 2, 10, 100}) Write(store, step, 2);
  EXPECT_THAT(store.List(), ElementsAre(10, 100));
  EXPECT_EQ(Names().size(), 2u);
  Write(store, 101, 0);
  EXPECT_THAT(store.List(), ElementsAre(101));
}

TEST_F(CheckpointStoreTest, NeverRemovesTheOneJustWrittenForANewerDamagedOne) {
  CheckpointStore store = Open();
  Write(store, 10);
  Write(store, 20);
  fs::remove(folder_ / "20" / "model.safetensors");
  Write(store, 15, 1);
  std::vector<std::string> rejected;
  EXPECT_EQ(store.ReadNewest(&rejected)->train_steps, 15u);
  EXPECT_THAT(rejected, ElementsAre(HasSubstr("checkpoint 20: cannot read")));
}

TEST_F(CheckpointStoreTest, WritingAStepAgainReplacesIt) {
  CheckpointStore store = Open();
  Write(store, 5);
  ASSERT_TRUE(store.Write(Sample(5, "other"), 3).ok());
  EXPECT_EQ(store.ReadNewest()->files.at("model.safetensors"), "other");
  EXPECT_THAT(Names(), ElementsAre("5"));
}

TEST_F(CheckpointStoreTest, EveryFlippedByteOfEveryFileIsNoticed) {
  CheckpointStore store = Open();
  Write(store, 1);
  Write(store, 2);
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "manifest.json"}) {
    const fs::path path = folder_ / "2" / name;
    const std::string good = ReadText(path);
    for (size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ 0x11);
      std::ofstream(path, std::ios::binary) << bad;
      ASSERT_EQ(store.Read(2).status().code(), absl::StatusCode::kDataLoss) << name << " " << i;
    }
    EXPECT_EQ(store.ReadNewest()->train_steps, 1u);
    std::ofstream(path, std::ios::binary) << good;
  }
  EXPECT_EQ(store.ReadNewest()->train_steps, 2u);
}

TEST_F(CheckpointStoreTest, TruncatedAndLengthenedFilesAreNoticed) {
  CheckpointStore store = Open();
  Write(store, 2);
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "manifest.json"}) {
    const fs::path path = folder_ / "2" / name;
    const std::string good = ReadText(path);
    for (const std::string& bad : {std::string(), good.substr(0, good.size() / 2), good + "x"}) {
      std::ofstream(path, std::ios::binary) << bad;
      EXPECT_EQ(store.Read(2).status().code(), absl::StatusCode::kDataLoss) << name;
    }
    std::ofstream(path, std::ios::binary) << good;
  }
  EXPECT_TRUE(store.Read(2).ok());
}

TEST_F(CheckpointStoreTest, AManifestOfAnotherStepIsRefused) {
  CheckpointStore store = Open();
  Write(store, 2);
  fs::rename(folder_ / "2", folder_ / "3");
  EXPECT_THAT(std::string(store.Read(3).status().message()),
              HasSubstr("its manifest is of checkpoint 2"));
}

TEST_F(CheckpointStoreTest, DoesNotFollowLinks) {
  CheckpointStore store = Open();
  Write(store, 2);
  fs::rename(folder_ / "2" / "model.safetensors", folder_ / "elsewhere");
  fs::create_symlink(folder_ / "elsewhere", folder_ / "2" / "model.safetensors");
  EXPECT_EQ(store.Read(2).status().code(), absl::StatusCode::kDataLoss);
}

// A writer that is killed at any moment leaves whole checkpoints, and its left-overs are removed.
TEST_F(CheckpointStoreTest, AKilledWriterLeavesOnlyWholeCheckpoints) {
  CheckpointStore first = Open();
  Write(first, 0);
  for (int round = 0; round < 5; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      CheckpointStore store = Open();
      const std::string large(200000, 'w');
      for (uint64_t step = 1;; ++step) (void)store.Write(Sample(step, large), 2);
    }
    const Deadline deadline = After(std::chrono::seconds(30));
    while (Open().List().back() < 2 && !Expired(deadline)) {
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CheckpointStore store = Open();
    for (const std::string& name : Names()) EXPECT_THAT(name, ::testing::Not(HasSubstr(".tmp")));
    std::vector<std::string> rejected;
    EXPECT_TRUE(store.ReadNewest(&rejected).ok());
    EXPECT_THAT(rejected, IsEmpty());
    fs::remove_all(folder_);
    store = Open();
    Write(store, 0);
  }
}

TEST_F(CheckpointStoreTest, LeftOversOfLivingWritersStay) {
  Open();
  const ProcessIdentity self = ThisProcess();
  const std::string living = absl::StrCat(".tmp-", self.pid, "-", self.start_ticks, "-7");
  const std::string dead = absl::StrCat(".tmp-", self.pid, "-", self.start_ticks + 1, "-7");
  fs::create_directory(folder_ / living);
  fs::create_directory(folder_ / dead);
  fs::create_directory(folder_ / "007");  // not a step as we write it
  fs::create_directory(folder_ / "8");    // no manifest
  CheckpointStore store = Open();
  EXPECT_THAT(Names(), ::testing::UnorderedElementsAre(living, "007", "8"));
  EXPECT_THAT(store.List(), IsEmpty());
}

// A file-size limit stands in for a full disk: both are reported alike.
TEST_F(CheckpointStoreTest, WithoutRoomNothingIsRemovedAndNothingIsLeftBehind) {
  CheckpointStore store = Open();
  Write(store, 1);
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const absl::Status status = store.Write(Sample(2, std::string(5000, 'w')), 1);
    ::_exit(status.code() == absl::StatusCode::kResourceExhausted ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(Names(), ElementsAre("1"));
  EXPECT_TRUE(store.Read(1).ok());
}

TEST_F(CheckpointStoreTest, RefusesNamesThatLeaveTheFolder) {
  CheckpointStore store = Open();
  Checkpoint checkpoint = Sample(1);
  checkpoint.files["../escape"] = "x";
  EXPECT_EQ(store.Write(checkpoint, 3).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Names(), IsEmpty());
}

}  // namespace
}  // namespace millrace
