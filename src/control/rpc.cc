#include "control/rpc.h"

#include <grpc/support/time.h>

#include <utility>

#include "net/grpc_channel.h"

namespace millrace {
namespace {

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments = BaseChannelArguments();
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetServiceConfigJSON("{}");
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  return grpc::CreateCustomChannel("ipv4:" + address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace

ControllerConnection::ControllerConnection(ControllerAddress address)
    : address_(std::move(address)),
      stub_(control::Controller::NewStub(MakeChannel(address_.address))) {}

void ControllerConnection::Prepare(grpc::ClientContext& context, Clock::duration timeout) const {
  context.AddMetadata(kTokenKey, address_.token);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  context.set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(millis, GPR_TIMESPAN)));
}

absl::Status ToStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace millrace
