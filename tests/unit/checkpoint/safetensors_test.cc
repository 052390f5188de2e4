#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
NamedTensor Tensor(std::string name, std::vector<int64_t> shape, const std::vector<T>& values) {
  return {std::move(name), DTypeOf<T>::kValue, std::move(shape), std::as_bytes(std::span(values))};
}

const std::vector<float> kWeights = {1, 2, 3, 4, 5, 6};
const std::vector<uint8_t> kMask = {1, 0, 1};
const std::vector<int64_t> kStep = {42};

std::string Sample() {
  return *EncodeSafetensors(
      {Tensor("weight", {2, 3}, kWeights), Tensor("mask", {3}, kMask), Tensor("step", {}, kStep),
       Tensor("none", {0, 7}, std::vector<float>{})},
      {{"format", "millrace"}});
}

// A file with this header and so many bytes of data.
std::string File(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), 8);
  return file + header + std::string(data_bytes, '\0');
}

std::string ErrorOf(std::string file) {
  const auto decoded = DecodeSafetensors(std::move(file));
  if (decoded.ok()) return "no error";
  EXPECT_EQ(decoded.status().code(), absl::StatusCode::kDataLoss);
  return std::string(decoded.status().message());
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const auto file = DecodeSafetensors(Sample());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata.at("format"), "millrace");
  ASSERT_EQ(file->tensors.size(), 4u);
  const NamedTensor* weight = file->Find("weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->dtype, DType::kFloat32);
  EXPECT_THAT(weight->shape, ElementsAre(2, 3));
  ASSERT_EQ(weight->bytes.size(), 24u);
  EXPECT_EQ(std::memcmp(weight->bytes.data(), kWeights.data(), 24), 0);
  EXPECT_THAT(file->Find("step")->shape, ElementsAre());
  EXPECT_THAT(file->Find("none")->shape, ElementsAre(0, 7));
  EXPECT_EQ(file->Find("other"), nullptr);
}

TEST(Safetensors, DecodedTensorsStayValidWhenMoved) {
  auto file = DecodeSafetensors(Sample());
  const Safetensors moved = *std::move(file);
  EXPECT_EQ(std::memcmp(moved.Find("weight")->bytes.data(), kWeights.data(), 24), 0);
}

TEST(Safetensors, AnEmptyFileIsAHeader) {
  const auto file = DecodeSafetensors(*EncodeSafetensors({}));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->tensors.empty());
}

TEST(Safetensors, EncodeRefusesWhatDoesNotFit) {
  auto code = [](std::vector<NamedTensor> tensors) {
    return EncodeSafetensors(tensors).status().code();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code({Tensor("a", {2}, kWeights)}), kInvalid);
  EXPECT_EQ(code({Tensor("a", {-6}, kWeights)}), kInvalid);
  EXPECT_EQ(code({Tensor("a", {6}, kWeights), Tensor("a", {6}, kWeights)}), kInvalid);
  EXPECT_EQ(code({Tensor("", {6}, kWeights)}), kInvalid);
  EXPECT_EQ(code({Tensor("__metadata__", {6}, kWeights)}), kInvalid);
  EXPECT_EQ(code({Tensor("\xff", {6}, kWeights)}), kInvalid);
}

TEST(Safetensors, EveryTruncationIsNoticed) {
  const std::string file = Sample();
  for (size_t length = 0; length < file.size(); ++length) {
    EXPECT_FALSE(DecodeSafetensors(file.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(DecodeSafetensors(file + "x").ok());
}

TEST(Safetensors, FlippedHeaderBytesNeverReadOutside) {
  const std::string file = Sample();
  const size_t header_end = file.size() - 24 - 3 - 8;
  for (size_t i = 0; i < header_end; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = file;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const auto decoded = DecodeSafetensors(damaged);
      if (!decoded.ok()) continue;
      for (const NamedTensor& tensor : decoded->tensors) {
        const auto* begin = reinterpret_cast<const std::byte*>(decoded->storage.data());
        ASSERT_GE(tensor.bytes.data(), begin);
        ASSERT_LE(tensor.bytes.data() + tensor.bytes.size(), begin + decoded->storage.size());
      }
    }
  }
}

TEST(Safetensors, RefusesHeadersThatLie) {
  EXPECT_THAT(ErrorOf(std::string(8, '\xff') + "{}"), HasSubstr("a header of"));
  EXPECT_THAT(ErrorOf(File("[]", 0)), HasSubstr("expected \"{\""));
  EXPECT_THAT(ErrorOf(File("{", 0)), HasSubstr("no JSON"));
  EXPECT_THAT(ErrorOf(File("{} x", 0)), HasSubstr("no JSON"));
  EXPECT_THAT(ErrorOf(File("{}", 4)), HasSubstr("expected 0 bytes of tensors, got 4"));
  auto entry = [](const std::string& body, size_t bytes) {
    return ErrorOf(File("{\"a\":{" + body + "}}", bytes));
  };
  EXPECT_EQ(entry(R"("dtype":"U8","shape":[4],"data_offsets":[0,4])", 4), "no error");
  EXPECT_THAT(entry(R"("dtype":"X8","shape":[4],"data_offsets":[0,4])", 4), HasSubstr("\"X8\""));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[5],"data_offsets":[0,4])", 4),
              HasSubstr("expected 5"));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[3],"data_offsets":[1,4])", 4), HasSubstr("lies at"));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[4],"data_offsets":[0,5])", 4), HasSubstr("lies at"));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[4],"data_offsets":[4,0])", 4), HasSubstr("lies at"));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[-4],"data_offsets":[0,4])", 4), HasSubstr("negative"));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[4.0],"data_offsets":[0,4])", 4),
              HasSubstr("fraction"));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[4])", 4), HasSubstr("without"));
  EXPECT_THAT(entry(R"("dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4])", 4),
              HasSubstr("twice"));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[4],"data_offsets":[0,4],"code":"x")", 4),
              HasSubstr("\"code\""));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1])", 1),
              HasSubstr("more than 8"));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[[4]],"data_offsets":[0,4])", 4), HasSubstr("a list"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4])", 4),
              HasSubstr("overflows"));
  EXPECT_THAT(entry(R"("dtype":"U8","shape":[18446744073709551615,2],"data_offsets":[0,4])", 4),
              HasSubstr("overflows"));
  // An empty tensor does not excuse an overflow, nor does it move the others.
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0])", 0),
              HasSubstr("overflows"));
}

TEST(Safetensors, RefusesGapsOverlapsAndRepeatedNames) {
  auto two = [](const std::string& first, const std::string& second, size_t bytes) {
    const std::string tensor = R"({"dtype":"U8","shape":[2],"data_offsets":)";
    return ErrorOf(File("{\"a\":" + tensor + first + "},\"b\":" + tensor + second + "}}", bytes));
  };
  EXPECT_EQ(two("[0,2]", "[2,4]", 4), "no error");
  EXPECT_EQ(two("[2,4]", "[0,2]", 4), "no error");
  EXPECT_THAT(two("[0,2]", "[3,5]", 5), HasSubstr("lies at"));
  EXPECT_THAT(two("[0,2]", "[1,3]", 3), HasSubstr("lies at"));
  EXPECT_THAT(two("[0,2]", "[0,2]", 2), HasSubstr("lies at"));
  const std::string empty = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_THAT(ErrorOf(File("{\"a\":" + empty + ",\"a\":" + empty + "}", 0)), HasSubstr("twice"));
}

TEST(Safetensors, DeepNestingStopsAtOnce) {
  const std::string deep(1 << 20, '[');
  EXPECT_THAT(ErrorOf(File("{\"a\":" + deep, 0)), HasSubstr("a list"));
  std::string objects = "{\"a\":";
  for (int i = 0; i < 10000; ++i) objects += "{\"a\":";
  EXPECT_THAT(ErrorOf(File(objects, 0)), HasSubstr("safetensors header"));
}

}  // namespace
}  // namespace millrace
