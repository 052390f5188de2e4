// The controller's table and a worker's mirror, joined without a network.
#include "control/name_mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/name_table.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void Exchange(const NameTable& table, NameMirror& mirror) {
  const NameMirror::Query query = mirror.NextQuery();
  mirror.Apply(table.Since(query.revision, query.watched, query.added));
}

TEST(NameMirror, HoldsWhatIsBelowItsPrefixes) {
  NameTable table;
  table.Put("a", "x/1", "one");
  table.Put("a", "y/1", "other");
  NameMirror mirror;
  mirror.Watch("x/", nullptr);
  EXPECT_FALSE(mirror.WaitLoaded("x/", Clock::now()));
  Exchange(table, mirror);
  EXPECT_TRUE(mirror.WaitLoaded("x/", Clock::now()));
  EXPECT_THAT(mirror.List(""), ElementsAre(NameEntry{"x/1", "one"}));
  table.Put("a", "x/2", "two");
  table.Put("a", "y/2", "other");
  Exchange(table, mirror);
  EXPECT_THAT(mirror.List("x/"), ElementsAre(NameEntry{"x/1", "one"}, NameEntry{"x/2", "two"}));
}

TEST(NameMirror, RingsOnlyForChangesBelowThePrefix) {
  NameTable table;
  NameMirror mirror;
  Doorbell bell;
  mirror.Watch("x/", &bell);
  mirror.Watch("y/", nullptr);
  Exchange(table, mirror);
  const uint32_t before = bell.Value();
  table.Put("a", "y/1", "v");
  Exchange(table, mirror);
  EXPECT_EQ(bell.Value(), before);
  table.Put("a", "x/1", "v");
  Exchange(table, mirror);
  EXPECT_NE(bell.Value(), before);
}

TEST(NameMirror, DeletedKeysOfADeadOwnerVanish) {
  NameTable table;
  table.Put("dead", "x/1", "one");
  table.Put("alive", "x/2", "two");
  NameMirror mirror;
  mirror.Watch("x/", nullptr);
  Exchange(table, mirror);
  EXPECT_THAT(table.DeleteOwned("dead"), ElementsAre("x/1"));
  Exchange(table, mirror);
  EXPECT_THAT(mirror.List("x/"), ElementsAre(NameEntry{"x/2", "two"}));
}

TEST(NameMirror, KeepsItsKeysUntilTheNewControllerAnswers) {
  NameTable first;
  first.Put("a", "x/1", "one");
  first.Put("a", "x/2", "two");
  NameMirror mirror;
  Doorbell bell;
  mirror.Watch("x/", &bell);
  Exchange(first, mirror);
  mirror.Restart();
  EXPECT_EQ(mirror.List("x/").size(), 2u);
  NameTable second;
  second.Put("a", "x/1", "one");
  const uint32_t before = bell.Value();
  Exchange(second, mirror);
  EXPECT_THAT(mirror.List("x/"), ElementsAre(NameEntry{"x/1", "one"}));
  EXPECT_EQ(bell.Value(), before + 1) << "x/1 has not changed, x/2 has gone";
}

TEST(NameTable, PutOfTheSameValueIsNoChange) {
  NameTable table;
  EXPECT_TRUE(table.Put("a", "x/1", "one"));
  const uint64_t revision = table.revision();
  EXPECT_FALSE(table.Put("a", "x/1", "one"));
  EXPECT_EQ(table.revision(), revision);
}

TEST(NameTable, KeyBelongsToItsLastWriter) {
  NameTable table;
  table.Put("old", "x/1", "one");
  table.Put("new", "x/1", "two");
  EXPECT_FALSE(table.Delete("old", "x/1"));
  EXPECT_THAT(table.DeleteOwned("old"), IsEmpty());
  EXPECT_THAT(table.List("x/"), ElementsAre(NameEntry{"x/1", "two"}));
}

TEST(NameTable, ReplaceOwnedDropsWhatIsNotNamedAgain) {
  NameTable table;
  table.Put("a", "x/1", "one");
  table.Put("a", "x/2", "two");
  EXPECT_THAT(table.ReplaceOwned("a", {{"x/2", "two"}, {"x/3", "three"}}),
              ElementsAre("x/1", "x/3"));
  EXPECT_EQ(table.List("x/").size(), 2u);
}

}  // namespace
}  // namespace millrace
