#include "config/scalar.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(ParseInt, TakesWholeNumbersInAnyDecimalForm) {
  EXPECT_EQ(ParseInt("0"), 0);
  EXPECT_EQ(ParseInt("-12"), -12);
  EXPECT_EQ(ParseInt("+7"), 7);
  EXPECT_EQ(ParseInt("1e6"), 1000000);
  EXPECT_EQ(ParseInt("2.0"), 2);
  EXPECT_EQ(ParseInt("9223372036854775807"), INT64_MAX);
}

TEST(ParseInt, RefusesWhatIsNotExactlyAnInteger) {
  for (const char* text : {"", "1_000", "010", "0x10", "1.5", "1e-1", "9223372036854775808",
                           "1e300", "seven", " 1", "1 ", "--1", "."}) {
    EXPECT_EQ(ParseInt(text), std::nullopt) << text;
  }
}

TEST(ParseDouble, TakesDecimalsOnly) {
  EXPECT_EQ(ParseDouble("2.5e-3"), 0.0025);
  EXPECT_EQ(ParseDouble(".5"), 0.5);
  EXPECT_EQ(ParseDouble("-3"), -3.0);
  for (const char* text :
       {".nan", "nan", ".inf", "inf", "-inf", "1e999", "1_0.0", "e5", "1e", "0x1p3"}) {
    EXPECT_EQ(ParseDouble(text), std::nullopt) << text;
  }
}

TEST(ParseBool, KnowsTrueAndFalseOnly) {
  EXPECT_EQ(ParseBool("true"), true);
  EXPECT_EQ(ParseBool("false"), false);
  for (const char* text : {"yes", "on", "True", "1", ""}) EXPECT_EQ(ParseBool(text), std::nullopt);
}

TEST(FormatDouble, ReadsBackAsTheSameNumber) {
  for (double value : {0.1, 1e-300, 2.5e-3, 475.0, -1.0 / 3.0}) {
    EXPECT_EQ(ParseDouble(FormatDouble(value)), value);
  }
}

}  // namespace
}  // namespace millrace
