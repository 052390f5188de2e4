// What every client of the controller shares: channel, token, deadlines, status codes.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "control.grpc.pb.h"
#include "control/controller_file.h"
#include "core/deadline.h"

namespace millrace {

inline constexpr char kTokenKey[] = "millrace-token";
// Must be equal on both sides; changes with proto/control.proto.
inline constexpr char kControlVersion[] = "millrace-control/1";
// The name service's answer to a new watcher holds every key below its prefix.
inline constexpr int kMaxMessageBytes = 64 << 20;

// A channel to one controller. Thread-safe.
class ControllerConnection {
 public:
  explicit ControllerConnection(ControllerAddress address);

  const ControllerAddress& address() const { return address_; }
  control::Controller::Stub& stub() const { return *stub_; }
  // Every call: puts the token and the deadline (on the steady clock) into `context`.
  void Prepare(grpc::ClientContext& context, Clock::duration timeout) const;

 private:
  const ControllerAddress address_;
  std::unique_ptr<control::Controller::Stub> stub_;
};

// gRPC's codes and absl's are the same numbers.
absl::Status ToStatus(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace millrace
