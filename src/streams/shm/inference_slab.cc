#include "streams/shm/inference_slab.h"

#include <spdlog/fmt/fmt.h>

#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr uint64_t kMagic = 0x31304E494C4C494D;  // "MILLIN01"
constexpr size_t kControlOffset = AlignSlab(sizeof(InferenceSlabHeader));
// Within a group:
constexpr size_t kReplyOffset = AlignSlab(sizeof(RequestHeader));
constexpr size_t kPayloadOffset = kReplyOffset + AlignSlab(sizeof(ReplyHeader));

InferenceSlabHeader MakeHeader(const InferenceSpec& spec, uint32_t groups, uint32_t client,
                               uint32_t incarnation) {
  return {.magic = kMagic,
          .request_hash = spec.RequestLayout().schema().hash(),
          .reply_hash = spec.ReplyLayout().schema().hash(),
          .rows = spec.rows,
          .groups = groups,
          .client = client,
          .incarnation = incarnation};
}

std::string Describe(const InferenceSlabHeader& header) {
  return fmt::format("request {:016x}, reply {:016x}, B={}", header.request_hash, header.reply_hash,
                     header.rows);
}

}  // namespace

InferenceSlab::InferenceSlab(const InferenceSpec& spec, const InferenceSlabHeader& header)
    : header_(header), request_layout_(spec.RequestLayout()), reply_layout_(spec.ReplyLayout()) {}

absl::StatusOr<InferenceSlab> InferenceSlab::Create(SlabStore& store, const std::string& name,
                                                    const InferenceSpec& spec, uint32_t groups,
                                                    uint32_t client, uint32_t incarnation) {
  if (groups == 0 || groups > kMaxGroups) {
    return absl::InvalidArgumentError(
        fmt::format("groups of an inference client: expected 1 to {}, got {}", kMaxGroups, groups));
  }
  InferenceSlab slab(spec, MakeHeader(spec, groups, client, incarnation));
  MILLRACE_ASSIGN_OR_RETURN(slab.memory_, store.Create(name, slab.TotalBytes()));
  *slab.memory_.At<InferenceSlabHeader>(0) = slab.header_;
  for (int group = 0; group < slab.groups(); ++group) slab.control(group).address.store(kNoServer);
  return slab;
}

absl::StatusOr<InferenceSlab> InferenceSlab::Open(SlabStore& store, const std::string& address,
                                                  const InferenceSpec& spec, uint32_t client,
                                                  uint32_t incarnation) {
  MILLRACE_ASSIGN_OR_RETURN(SlabMemory memory, store.Open(address, kControlOffset));
  const InferenceSlabHeader header = *memory.At<InferenceSlabHeader>(0);
  if (header.magic != kMagic || header.client != client || header.incarnation != incarnation ||
      header.groups == 0 || header.groups > kMaxGroups) {
    return absl::DataLossError(fmt::format("{}: expected an inference slab of client {}.{}",
                                           address, client, incarnation));
  }
  const InferenceSlabHeader expected = MakeHeader(spec, header.groups, client, incarnation);
  if (header != expected) {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected {}; got {}", address, Describe(expected), Describe(header)));
  }
  InferenceSlab slab(spec, header);
  if (memory.bytes.size() < slab.TotalBytes()) {
    return absl::DataLossError(fmt::format("{}: expected {} bytes, got {}", address,
                                           slab.TotalBytes(), memory.bytes.size()));
  }
  slab.memory_ = std::move(memory);
  return slab;
}

size_t InferenceSlab::TotalBytes() const {
  return kControlOffset + AlignSlab(header_.groups * sizeof(GroupControl)) +
         header_.groups *
             (kPayloadOffset + request_layout_.total_bytes() + reply_layout_.total_bytes());
}

GroupControl& InferenceSlab::control(int group) const {
  MILLRACE_CHECK(group >= 0 && group < groups(), "no such group");
  return memory_.At<GroupControl>(kControlOffset)[group];
}

std::byte* InferenceSlab::GroupAt(int group, size_t offset) const {
  MILLRACE_CHECK(group >= 0 && group < groups(), "no such group");
  const size_t stride =
      kPayloadOffset + request_layout_.total_bytes() + reply_layout_.total_bytes();
  return memory_.At<std::byte>(kControlOffset + AlignSlab(header_.groups * sizeof(GroupControl)) +
                               static_cast<size_t>(group) * stride + offset);
}

RequestHeader* InferenceSlab::request(int group) const {
  return reinterpret_cast<RequestHeader*>(GroupAt(group, 0));
}

ReplyHeader* InferenceSlab::reply(int group) const {
  return reinterpret_cast<ReplyHeader*>(GroupAt(group, kReplyOffset));
}

std::byte* InferenceSlab::request_payload(int group) const {
  return GroupAt(group, kPayloadOffset);
}

std::byte* InferenceSlab::reply_payload(int group) const {
  return GroupAt(group, kPayloadOffset + request_layout_.total_bytes());
}

}  // namespace millrace
