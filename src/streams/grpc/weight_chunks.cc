#include "streams/grpc/weight_chunks.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/crc32c.h"
#include "net/grpc_channel.h"

namespace millrace {

bool WriteChunks(const WeightSpec& spec, const WeightBlob& blob,
                 const std::function<bool(const weights::Chunk&)>& write) {
  weights::Chunk chunk;
  weights::VersionHeader& header = *chunk.mutable_header();
  header.set_policy(spec.policy);
  header.set_epoch(blob.version.epoch);
  header.set_version(blob.version.version);
  header.set_layout_hash(spec.layout_hash);
  header.set_total_bytes(blob.bytes.size());
  header.set_crc32c(Crc32c(blob.bytes));
  if (!write(chunk)) return false;
  chunk.clear_header();
  for (size_t offset = 0; offset < blob.bytes.size(); offset += kMaxChunkBytes) {
    const size_t size = std::min(kMaxChunkBytes, blob.bytes.size() - offset);
    chunk.set_offset(offset);
    chunk.set_data(blob.bytes.data() + offset, size);
    if (!write(chunk)) return false;
  }
  return true;
}

absl::Status WeightAssembler::Begin(const weights::VersionHeader& header) {
  if (header.policy() != spec_.policy || header.layout_hash() != spec_.layout_hash ||
      header.total_bytes() != spec_.bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weights: expected policy ", spec_.policy, ", layout ", absl::Hex(spec_.layout_hash), ", ",
        spec_.bytes, " bytes, got ", header.policy(), ", ", absl::Hex(header.layout_hash()), ", ",
        header.total_bytes()));
  }
  blob_ = std::make_shared<WeightBlob>();
  blob_->version = {header.epoch(), header.version()};
  blob_->bytes.resize(spec_.bytes);
  filled_ = 0;
  crc_ = header.crc32c();
  complete_ = false;
  return absl::OkStatus();
}

absl::Status WeightAssembler::Add(const weights::Chunk& chunk) {
  if (chunk.has_header()) {
    if (absl::Status status = Begin(chunk.header()); !status.ok()) return status;
  }
  if (blob_ == nullptr) return absl::DataLossError("weights: data before a header");
  const std::string& data = chunk.data();
  if (!data.empty()) {
    if (chunk.offset() != filled_ || data.size() > blob_->bytes.size() - filled_) {
      return absl::DataLossError(absl::StrCat("weights: expected data at ", filled_, " of ",
                                              blob_->bytes.size(), ", got ", data.size(),
                                              " bytes at ", chunk.offset()));
    }
    std::memcpy(blob_->bytes.data() + filled_, data.data(), data.size());
    filled_ += data.size();
  }
  if (filled_ < blob_->bytes.size()) return absl::OkStatus();
  if (Crc32c(blob_->bytes) != crc_) return absl::DataLossError("weights: checksum mismatch");
  complete_ = true;
  return absl::OkStatus();
}

WeightBlobPtr WeightAssembler::Take() {
  if (!std::exchange(complete_, false)) return nullptr;
  return std::exchange(blob_, nullptr);
}

grpc::ChannelArguments WeightChannelArguments() {
  grpc::ChannelArguments arguments = BaseChannelArguments();
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Every end has a connection of its own, so that one that hangs does not hold up another.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  return arguments;
}

}  // namespace millrace
