#include "net/endpoint_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/in_memory_name_service.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EndpointDirectory, ListsWellFormedEntriesByNumber) {
  InMemoryNameService names;
  const auto put = [&](const char* key, const char* value) {
    ASSERT_TRUE(names.Put(key, value).ok());
  };
  put("a/10", R"({"incarnation": 2, "endpoint": "tcp://127.0.0.1:5"})");
  put("a/9", R"({"incarnation": 1, "endpoint": "x", "more": [1]})");
  put("a/b", R"({"incarnation": 1, "endpoint": "x"})");
  put("a/1", R"({"incarnation": -1, "endpoint": "x"})");
  put("a/2", R"({"incarnation": 4294967296, "endpoint": "x"})");
  put("a/3", R"({"incarnation": 1, "endpoint": 5})");
  put("a/4", R"({"incarnation": 1)");
  put("a/5", R"([])");
  EXPECT_THAT(ListEndpoints(names, "a/"),
              ElementsAre(NamedEndpoint{9, 1, "x"}, NamedEndpoint{10, 2, "tcp://127.0.0.1:5"}));
}

TEST(EndpointAnnouncement, GoesWithItsOwnerButNotWithASuccessors) {
  InMemoryNameService names;
  auto old_one = EndpointAnnouncement::Create(&names, "a/1", 1, "x");
  ASSERT_TRUE(old_one.ok());
  EXPECT_THAT(ListEndpoints(names, "a/"), ElementsAre(NamedEndpoint{1, 1, "x"}));
  auto new_one = EndpointAnnouncement::Create(&names, "a/1", 2, "y");
  ASSERT_TRUE(new_one.ok());
  old_one->reset();
  EXPECT_THAT(ListEndpoints(names, "a/"), ElementsAre(NamedEndpoint{1, 2, "y"}));
  new_one->reset();
  EXPECT_THAT(ListEndpoints(names, "a/"), IsEmpty());
}

}  // namespace
}  // namespace millrace
