#include "streams/shm/peers.h"

#include <gtest/gtest.h>

#include "net/in_memory_name_service.h"

namespace millrace {
namespace {

const std::string kPrefix = "sample/default/producer/";

TEST(PeerList, FollowsAnnouncements) {
  InMemoryNameService names;
  auto list = PeerList::Create(&names, kPrefix, nullptr);
  ASSERT_TRUE(list.ok());
  EXPECT_FALSE((*list)->Update());
  const Peer ten{.index = 10, .incarnation = 1, .slab = "a", .bell = "b"};
  const Peer nine{.index = 9, .incarnation = 2, .slab = {}, .bell = "c"};
  auto first = Announcement::Create(&names, kPrefix, ten);
  auto second = Announcement::Create(&names, kPrefix, nine);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE((*list)->Update());
  EXPECT_EQ((*list)->peers(), (std::vector<Peer>{nine, ten}));  // by number, not by text
  EXPECT_FALSE((*list)->Update());
  first->reset();
  EXPECT_TRUE((*list)->Update());
  EXPECT_EQ((*list)->peers(), std::vector<Peer>{nine});
}

TEST(PeerList, LeavesOutWhatItCannotRead) {
  InMemoryNameService names;
  auto list = PeerList::Create(&names, kPrefix, nullptr);
  ASSERT_TRUE(list.ok());
  for (const char* value : {"", "[]", "{}", "{\"incarnation\": -1}", "{\"incarnation\": \"x\"}"}) {
    ASSERT_TRUE(names.Put(kPrefix + "1", value).ok());
    (*list)->Update();
    EXPECT_TRUE((*list)->peers().empty()) << value;
  }
  ASSERT_TRUE(names.Put(kPrefix + "x", "{\"incarnation\": 1}").ok());
  (*list)->Update();
  EXPECT_TRUE((*list)->peers().empty());
}

TEST(Announcement, LeavesTheNameOfItsSuccessorAlone) {
  InMemoryNameService names;
  auto old_one = Announcement::Create(&names, kPrefix, {.index = 1, .incarnation = 1});
  auto new_one = Announcement::Create(&names, kPrefix, {.index = 1, .incarnation = 2});
  ASSERT_TRUE(old_one.ok() && new_one.ok());
  old_one->reset();
  EXPECT_EQ(names.List(kPrefix).size(), 1u);
  new_one->reset();
  EXPECT_TRUE(names.List(kPrefix).empty());
}

}  // namespace
}  // namespace millrace
