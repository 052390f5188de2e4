#include "millrace/config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using ::testing::ElementsAre;

Options::Value Scalar(std::string text) {
  Options::Value value;
  value.items = {std::move(text)};
  value.where = "a.yaml:7";
  return value;
}

Options::Value List(std::vector<std::string> items) {
  Options::Value value;
  value.items = std::move(items);
  value.is_list = true;
  value.where = "a.yaml:7";
  return value;
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(Options, GivesValuesAndDefaults) {
  const Options options({{"steps", Scalar("1e3")},
                         {"gamma", Scalar("0.9")},
                         {"velocity", Scalar("false")},
                         {"activation", Scalar("tanh")},
                         {"hidden", List({"64", "32"})},
                         {"names", List({"a", "b"})}});
  EXPECT_EQ(options.GetInt("steps", 1), 1000);
  EXPECT_EQ(options.GetDouble("gamma", 0.99), 0.9);
  EXPECT_FALSE(options.GetBool("velocity", true));
  EXPECT_EQ(options.GetString("activation", "relu"), "tanh");
  EXPECT_THAT(options.GetDoubles("hidden", {}), ElementsAre(64, 32));
  EXPECT_THAT(options.GetStrings("names", {}), ElementsAre("a", "b"));
  EXPECT_EQ(options.GetInt("absent", 5), 5);
  EXPECT_TRUE(options.Finish("cartpole").ok());
}

TEST(Options, NamesTheNearestKeyForAnUnknownOne) {
  const Options options({{"max_episode_step", Scalar("5")}});
  EXPECT_EQ(options.GetInt("max_episode_steps", 500), 500);
  EXPECT_EQ(Message(options.Finish("cartpole")),
            "a.yaml:7: max_episode_step: expected an option of cartpole, got an unknown key; did "
            "you mean \"max_episode_steps\"?");
}

TEST(Options, ReportsAWrongTypeAndUsesTheDefault) {
  const Options options({{"gamma", Scalar("high")}});
  EXPECT_EQ(options.GetDouble("gamma", 0.99), 0.99);
  EXPECT_EQ(Message(options.Finish("ppo")), "a.yaml:7: gamma: expected a number, got \"high\"");
}

TEST(Options, ReportsAValueOutOfRange) {
  const Options options({{"epochs", Scalar("0")}});
  EXPECT_EQ(options.GetInt("epochs", 4, 1, 100), 4);
  EXPECT_EQ(Message(options.Finish("ppo")),
            "a.yaml:7: epochs: expected an integer of at least 1 and at most 100, got \"0\"");
}

TEST(Options, DoesNotTakeAQuotedNumberForANumber) {
  Options::Value quoted = Scalar("3");
  quoted.quoted = true;
  const Options options({{"epochs", quoted}});
  EXPECT_EQ(options.GetInt("epochs", 4), 4);
  EXPECT_FALSE(options.Finish("ppo").ok());
}

TEST(Options, TellsListsFromSingleValues) {
  const Options list({{"gamma", List({"1", "2"})}});
  EXPECT_EQ(list.GetDouble("gamma", 0.5), 0.5);
  EXPECT_EQ(Message(list.Finish("ppo")), "a.yaml:7: gamma: expected one value, got [1, 2]");
  const Options scalar({{"hidden", Scalar("64")}});
  EXPECT_THAT(scalar.GetDoubles("hidden", {8}), ElementsAre(8));
  EXPECT_FALSE(scalar.Finish("mlp").ok());
}

TEST(Options, TellsListsOfListsFromLists) {
  Options::Value filters = List({"32", "8", "4", "64"});
  filters.lengths = {3, 1};
  const Options options({{"filters", filters}, {"none", List({})}});
  EXPECT_THAT(options.GetDoubleLists("filters", {}),
              ElementsAre(ElementsAre(32, 8, 4), ElementsAre(64)));
  EXPECT_TRUE(options.GetDoubleLists("none", {{1}}).empty());
  EXPECT_THAT(options.GetDoubleLists("absent", {{1}}), ElementsAre(ElementsAre(1)));
  EXPECT_TRUE(options.Finish("cnn").ok());
  EXPECT_THAT(options.GetDoubles("filters", {8}), ElementsAre(8));
  EXPECT_EQ(Message(options.Finish("mlp")),
            "a.yaml:7: filters: expected a list of numbers, got [[32, 8, 4], [64]]");
  const Options flat({{"filters", List({"32", "8"})}});
  EXPECT_TRUE(flat.GetDoubleLists("filters", {}).empty());
  EXPECT_EQ(Message(flat.Finish("cnn")),
            "a.yaml:7: filters: expected a list of lists of numbers, got [32, 8]");
}

}  // namespace
}  // namespace millrace
