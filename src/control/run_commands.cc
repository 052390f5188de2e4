#include "control/run_commands.h"

#include "control/rpc.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr auto kTimeout = std::chrono::seconds(5);

}  // namespace

absl::StatusOr<control::StatusReply> GetRunStatus(const std::filesystem::path& run_directory) {
  MILLRACE_ASSIGN_OR_RETURN(ControllerAddress address, ReadControllerFile(run_directory));
  const ControllerConnection connection(std::move(address));
  grpc::ClientContext context;
  connection.Prepare(context, kTimeout);
  control::StatusReply reply;
  MILLRACE_RETURN_IF_ERROR(ToStatus(connection.stub().GetStatus(&context, {}, &reply)));
  return reply;
}

absl::Status SendRunCommand(const std::filesystem::path& run_directory,
                            control::CommandRequest::Kind command) {
  MILLRACE_ASSIGN_OR_RETURN(ControllerAddress address, ReadControllerFile(run_directory));
  const ControllerConnection connection(std::move(address));
  grpc::ClientContext context;
  connection.Prepare(context, kTimeout);
  control::CommandRequest request;
  request.set_kind(command);
  control::Empty reply;
  return ToStatus(connection.stub().Command(&context, request, &reply));
}

}  // namespace millrace
