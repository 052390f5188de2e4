#include "control/shared_store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "control/store_journal.h"

namespace millrace {
namespace {

TEST(SharedStore, AddCountsFromZero) {
  SharedStore store;
  EXPECT_EQ(*store.Add("n", 2), 2);
  EXPECT_EQ(*store.Add("n", -5), -3);
  EXPECT_EQ(store.Get("n"), "-3");
}

TEST(SharedStore, AddToATextIsAnError) {
  SharedStore store;
  store.Set("t", "text");
  EXPECT_EQ(store.Add("t", 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store.Get("t"), "text");
}

// The four cases of c10d's compare_set.
TEST(SharedStore, CompareSetReplacesOnlyWhatIsExpected) {
  SharedStore store;
  EXPECT_EQ(store.CompareSet("k", "expected", "new"), "expected");
  EXPECT_EQ(store.Get("k"), std::nullopt);
  EXPECT_EQ(store.CompareSet("k", "", "first"), "first");
  EXPECT_EQ(store.CompareSet("k", "other", "second"), "first");
  EXPECT_EQ(store.CompareSet("k", "first", "second"), "second");
  EXPECT_EQ(store.Get("k"), "second");
}

TEST(SharedStore, DeleteSaysWhetherTheKeyWasThere) {
  SharedStore store;
  store.Set("k", "v");
  EXPECT_TRUE(store.Delete("k"));
  EXPECT_FALSE(store.Delete("k"));
}

class StoreJournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  static control::StoreJournalRecord Add(uint64_t sequence) {
    control::StoreJournalRecord record;
    record.set_owner("trainer-0.0");
    record.mutable_request()->set_operation(control::StoreRequest::ADD);
    record.mutable_request()->set_sequence(sequence);
    record.mutable_request()->set_key("n");
    record.mutable_request()->set_amount(5);
    return record;
  }
  std::filesystem::path directory_;
};

TEST_F(StoreJournalTest, RestoresTheStoreAndWhatWasAnswered) {
  {
    SharedStore store;
    const auto journal = StoreJournal::Open(directory_ / "store", store);
    ASSERT_TRUE(journal.ok()) << journal.status();
    ASSERT_TRUE((*journal)->Append(Add(1)).ok());
    ASSERT_TRUE((*journal)->Append(Add(2)).ok());
  }
  SharedStore store;
  ASSERT_TRUE(StoreJournal::Open(directory_ / "store", store).ok());
  EXPECT_EQ(store.Get("n"), "10");
  control::StoreReply reply;
  store.Apply("trainer-0.0", Add(2).request(), &reply);
  EXPECT_EQ(reply.number(), 10) << "a repeated call";
}

TEST_F(StoreJournalTest, CutOffRecordIsDroppedAndOverwritten) {
  const std::filesystem::path file = directory_ / "store";
  SharedStore unused;
  ASSERT_TRUE((*StoreJournal::Open(file, unused))->Append(Add(1)).ok());
  const auto whole = std::filesystem::file_size(file);
  ASSERT_TRUE((*StoreJournal::Open(file, unused))->Append(Add(2)).ok());
  for (auto size = std::filesystem::file_size(file) - 1; size >= whole; --size) {
    std::filesystem::resize_file(file, size);
    SharedStore store;
    ASSERT_TRUE((*StoreJournal::Open(file, store))->Append(Add(2)).ok());
    EXPECT_EQ(store.Get("n"), "5") << size;
    SharedStore again;
    ASSERT_TRUE(StoreJournal::Open(file, again).ok());
    EXPECT_EQ(again.Get("n"), "10") << size;
  }
}

}  // namespace
}  // namespace millrace
