#include "control/controller_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace millrace {
namespace {

class ControllerFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST_F(ControllerFileTest, ReadsBackWhatWasWrittenAndOnlyTheOwnerMay) {
  const ControllerAddress address{
      .address = "127.0.0.1:7", .token = "secret", .pid = 42, .epoch = 3};
  ASSERT_TRUE(WriteControllerFile(directory_, address).ok());
  EXPECT_EQ(*ReadControllerFile(directory_), address);
  EXPECT_EQ(std::filesystem::status(directory_ / "controller.json").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(ControllerFileTest, MissingAndDamagedFilesAreToldApart) {
  EXPECT_TRUE(absl::IsNotFound(ReadControllerFile(directory_).status()));
  for (const char* damaged : {"", "{", "[]", R"({"address": 7})", "null"}) {
    std::ofstream(directory_ / "controller.json") << damaged;
    EXPECT_TRUE(absl::IsDataLoss(ReadControllerFile(directory_).status())) << damaged;
  }
}

TEST(Token, IsNewEachTimeAndComparedWhole) {
  const std::string token = *NewToken();
  EXPECT_EQ(token.size(), 64u);
  EXPECT_NE(token, *NewToken());
  EXPECT_TRUE(SameToken(token, token));
  EXPECT_FALSE(SameToken(token, token.substr(1)));
  EXPECT_FALSE(SameToken(token, ""));
}

}  // namespace
}  // namespace millrace
