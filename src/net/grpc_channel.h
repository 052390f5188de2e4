// How every gRPC client of ours connects.
#pragma once

#include <grpcpp/support/channel_arguments.h>

namespace millrace {

// Quick reconnection to a peer that came back, patience with one that is busy, no proxy of the
// environment.
inline grpc::ChannelArguments BaseChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // In spite of its name: how long one attempt to connect may take. With 100 processes on two cores
  // a handshake waits its turn for longer than the backoff, and an attempt cut short would be made
  // for ever.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  return arguments;
}

}  // namespace millrace
