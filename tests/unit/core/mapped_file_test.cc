#include "core/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace millrace {
namespace {

class MappedFileTest : public ::testing::Test {
 protected:
  MappedFileTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                (std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) +
                 "." + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~MappedFileTest() override { std::filesystem::remove_all(folder_); }

  const std::filesystem::path folder_;
};

TEST_F(MappedFileTest, CreateGivesZeroesThatOthersSeeChange) {
  const auto written = MappedFile::Create(folder_ / "a", 10000);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ((*written)->size(), 10000u);
  EXPECT_TRUE(std::all_of((*written)->data(), (*written)->data() + 10000,
                          [](std::byte b) { return b == std::byte{0}; }));
  const auto read = MappedFile::Open(folder_ / "a", 10000);
  ASSERT_TRUE(read.ok()) << read.status();
  *(*written)->At<uint64_t>(4096) = 42;
  EXPECT_EQ(*(*read)->At<uint64_t>(4096), 42u);
}

TEST_F(MappedFileTest, IsPrivateToTheUserAndLeavesNothingElseBehind) {
  ASSERT_TRUE(MappedFile::Create(folder_ / "a", 100).ok());
  struct stat info {};
  ASSERT_EQ(::stat((folder_ / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(MappedFileTest, CreateRefusesAnExistingFile) {
  ASSERT_TRUE(MappedFile::Create(folder_ / "a", 100).ok());
  EXPECT_EQ(MappedFile::Create(folder_ / "a", 100).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(MappedFileTest, OpenOrCreateGivesBothCallersTheSameFile) {
  const auto first = MappedFile::OpenOrCreate(folder_ / "a", 100);
  const auto second = MappedFile::OpenOrCreate(folder_ / "a", 100);
  ASSERT_TRUE(first.ok() && second.ok());
  *(*first)->At<int>(0) = 7;
  EXPECT_EQ(*(*second)->At<int>(0), 7);
}

TEST_F(MappedFileTest, OpenNamesWhatIsWrong) {
  EXPECT_EQ(MappedFile::Open(folder_ / "none", 1).status().code(), absl::StatusCode::kNotFound);
  std::ofstream(folder_ / "short") << "abc";
  EXPECT_EQ(MappedFile::Open(folder_ / "short", 4).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(MappedFile::Create(folder_ / "no" / "folder", 4).status().code(),
            absl::StatusCode::kNotFound);
  std::filesystem::create_symlink(folder_ / "short", folder_ / "link");
  EXPECT_FALSE(MappedFile::Open(folder_ / "link", 1).ok());
}

TEST_F(MappedFileTest, TheMappingOutlivesTheName) {
  const auto file = MappedFile::Create(folder_ / "a", 100);
  ASSERT_TRUE(file.ok());
  std::filesystem::remove(folder_ / "a");
  *(*file)->At<int>(0) = 7;
  EXPECT_EQ(*(*file)->At<int>(0), 7);
}

}  // namespace
}  // namespace millrace
