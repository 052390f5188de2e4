#include "streams/shm/weight_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "streams/shm/reader_bells.h"
#include "streams/shm/weight_fence.h"
#include "testing/stream_world.h"

namespace millrace {
namespace {

const WeightSpec kSpec{
    .policy = "default", .layout_hash = 5, .bytes = 256 * 1024, .checksum = true};

std::vector<std::byte> BlobOf(uint64_t version) {
  return std::vector<std::byte>(kSpec.bytes, static_cast<std::byte>(version % 251));
}

TEST(WeightFile, ANewFileIsEmpty) {
  StreamWorld world;
  auto file = WeightFile::OpenOrCreate(world.directory() / "w", kSpec);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->newest(), WeightVersion{});
  std::vector<std::byte> blob(kSpec.bytes);
  EXPECT_EQ((*file)->Read(blob).status().code(), absl::StatusCode::kUnavailable);
}

TEST(WeightFile, AnotherLayoutIsAnError) {
  StreamWorld world;
  ASSERT_TRUE(WeightFile::OpenOrCreate(world.directory() / "w", kSpec).ok());
  WeightSpec other = kSpec;
  other.layout_hash = 6;
  EXPECT_EQ(WeightFile::OpenOrCreate(world.directory() / "w", other).status().code(),
            absl::StatusCode::kInvalidArgument);
  other = kSpec;
  other.bytes *= 2;
  EXPECT_EQ(WeightFile::Open(world.directory() / "w", other).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(WeightFile::Open(world.directory() / "x", kSpec).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(WeightFile, CopiesTheNewestVersionOfAnother) {
  StreamWorld world;
  auto from = WeightFile::OpenOrCreate(world.directory() / "a", kSpec);
  auto to = WeightFile::OpenOrCreate(world.directory() / "b", kSpec);
  ASSERT_TRUE(from.ok() && to.ok());
  EXPECT_EQ((*to)->CopyNewest(**from).status().code(), absl::StatusCode::kUnavailable);
  (*to)->Write({1, 2}, BlobOf(2));
  for (const uint64_t version : {1, 2, 3, 4}) {
    (*from)->Write({1, version}, BlobOf(version));
    const auto copied = (*to)->CopyNewest(**from);
    ASSERT_TRUE(copied.ok()) << copied.status();
    std::vector<std::byte> blob(kSpec.bytes);
    const auto read = (*to)->Read(blob);
    ASSERT_TRUE(read.ok()) << read.status();
    const uint64_t newest = std::max<uint64_t>(2, version);  // never back
    EXPECT_EQ(read->version, newest);
    EXPECT_TRUE(blob == BlobOf(newest));
  }
}

TEST(WeightFile, DamagedBytesAreNotCopiedToAnother) {
  StreamWorld world;
  auto file = WeightFile::OpenOrCreate(world.directory() / "w", kSpec);
  ASSERT_TRUE(file.ok()) << file.status();
  (*file)->Write({1, 1}, BlobOf(1));
  auto mapping = MappedFile::Open(world.directory() / "w", 1);
  ASSERT_TRUE(mapping.ok());
  std::span<std::byte> bytes((*mapping)->data() + 4096, (*mapping)->size() - 4096);
  *std::find(bytes.begin(), bytes.end(), std::byte{1}) = std::byte{7};
  auto other = WeightFile::OpenOrCreate(world.directory() / "x", kSpec);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ((*other)->CopyNewest(**file).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ((*other)->newest(), WeightVersion{});
}

TEST(WeightFile, AVersionWithoutChecksumIsCopiedAsItIs) {
  StreamWorld world;
  WeightSpec spec = kSpec;
  spec.checksum = false;
  auto from = WeightFile::OpenOrCreate(world.directory() / "a", spec);
  auto to = WeightFile::OpenOrCreate(world.directory() / "b", kSpec);
  ASSERT_TRUE(from.ok() && to.ok());
  (*from)->Write({1, 3}, BlobOf(3));
  ASSERT_TRUE((*to)->CopyNewest(**from).ok());
  std::vector<std::byte> blob(kSpec.bytes);
  ASSERT_TRUE((*to)->Read(blob).ok());
  EXPECT_TRUE(blob == BlobOf(3));
}

// Writes version after version until it is killed.
[[noreturn]] void WriteForEver(WeightFile& file, uint64_t from) {
  for (uint64_t version = from;; ++version) file.Write({1, version}, BlobOf(version));
}

TEST(WeightFile, AWriterKilledAnywhereLeavesAWholeVersion) {
  StreamWorld world;
  auto file = WeightFile::OpenOrCreate(world.directory() / "w", kSpec);
  ASSERT_TRUE(file.ok()) << file.status();
  Doorbell bell;
  std::vector<std::byte> blob(kSpec.bytes);
  WeightVersion last;
  for (int round = 0; round < 25; ++round) {
    const uint64_t from = (*file)->newest().version + 1;
    const pid_t writer = ::fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) WriteForEver(**file, from);
    ASSERT_TRUE(Eventually(bell, [&] { return (*file)->newest().version > from + 3; }));
    ::kill(writer, SIGKILL);
    ASSERT_EQ(::waitpid(writer, nullptr, 0), writer);
    const auto version = (*file)->Read(blob);
    ASSERT_TRUE(version.ok()) << version.status();
    EXPECT_GT(*version, last);
    EXPECT_TRUE(blob == BlobOf(version->version));
    last = *version;
  }
}

TEST(ReaderBells, RingsEveryBellOnce) {
  StreamWorld world;
  const StreamContext first = world.Worker(0), second = world.Worker(1), neither = world.Worker(2);
  auto readers = ReaderBells::Open(world.directory(), "default");
  auto server = ReaderBells::Open(world.directory(), "default");
  ASSERT_TRUE(readers.ok() && server.ok());
  (*server)->Ring();  // nobody is there yet
  ASSERT_TRUE((*readers)->Add(first.bell_path).ok());
  (*server)->Ring();
  ASSERT_TRUE((*readers)->Add(second.bell_path).ok());
  ASSERT_TRUE((*readers)->Add(first.bell_path).ok());  // a worker that was restarted
  (*server)->Ring();
  EXPECT_EQ(first.bell->Value(), 2u);
  EXPECT_EQ(second.bell->Value(), 1u);
  EXPECT_EQ(neither.bell->Value(), 0u);
}

TEST(ReaderBells, SaysWhatItCannotTake) {
  StreamWorld world;
  auto readers = ReaderBells::Open(world.directory(), "default");
  ASSERT_TRUE(readers.ok()) << readers.status();
  EXPECT_EQ((*readers)->Add(std::string(300, 'x')).code(), absl::StatusCode::kInvalidArgument);
  for (int i = 0; i < ReaderBells::kMaxReaders; ++i) {
    ASSERT_TRUE((*readers)->Add("bell-" + std::to_string(i)).ok());
  }
  EXPECT_EQ((*readers)->Add("one more").code(), absl::StatusCode::kResourceExhausted);
  (*readers)->Ring();  // of files that are not there
}

TEST(WeightFence, OnlyRises) {
  StreamWorld world;
  auto fence = WeightFence::Open(world.directory(), "default");
  auto same = WeightFence::Open(world.directory(), "default");
  ASSERT_TRUE(fence.ok() && same.ok());
  EXPECT_EQ((*fence)->Raise(4), 0u);
  EXPECT_EQ((*same)->Raise(3), 4u);
  EXPECT_EQ((*fence)->epoch(), 4u);
}

}  // namespace
}  // namespace millrace
