// Weight blobs as sequences of protobuf chunks (proto/weights.proto).
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "streams/weight_blob.h"
#include "weights.pb.h"

namespace millrace {

inline constexpr size_t kMaxChunkBytes = 1 << 20;
inline constexpr int kMaxMessageBytes = 4 << 20;

// Hands the chunks of a blob to `write`, in order, until it returns false; whether all were taken.
bool WriteChunks(const WeightSpec& spec, const WeightBlob& blob,
                 const std::function<bool(const weights::Chunk&)>& write);

// Puts chunks together again. Thread-compatible.
class WeightAssembler {
 public:
  explicit WeightAssembler(WeightSpec spec) : spec_(std::move(spec)) {}

  // A header chunk begins a new version.
  //   kInvalidArgument  of another policy or layout
  //   kDataLoss         out of order, too much data, or the checksum is wrong
  absl::Status Add(const weights::Chunk& chunk);
  // The blob, once its last chunk has been added; null before.
  WeightBlobPtr Take();

 private:
  absl::Status Begin(const weights::VersionHeader& header);

  const WeightSpec spec_;
  std::shared_ptr<WeightBlob> blob_;
  size_t filled_ = 0;
  uint32_t crc_ = 0;
  bool complete_ = false;
};

inline grpc::Status ToGrpc(const absl::Status& status) {
  // The codes have the same numbers.
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}
inline absl::Status FromGrpc(const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

// Channel settings of every client: keep-alive, message limits, quick reconnection.
grpc::ChannelArguments WeightChannelArguments();

}  // namespace millrace
