// Conformance suite of inference streams: what every transport must do. Instantiate it with
//   INSTANTIATE_TEST_SUITE_P(Mine, InferenceStreamSuite,
//                            ::testing::Values(InferenceTransport{...}));
// and link inference_stream_suite.cc.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "streams/factory.h"
#include "streams/inference_stream.h"
#include "testing/stream_world.h"

namespace millrace {

struct InferenceTransport {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<InferenceClient>>(
      const StreamContext&, const InferenceSpec&, const InferenceClientOptions&)>
      make_client;
  std::function<absl::StatusOr<std::unique_ptr<InferenceServer>>(const StreamContext&,
                                                                 const InferenceSpec&)>
      make_server;
};
// One of the transports of streams/factory.h.
InferenceTransport BuiltinInferenceTransport(Transport transport);
inline void PrintTo(const InferenceTransport& transport, std::ostream* out) {
  *out << transport.name;
}

class InferenceStreamSuite : public ::testing::TestWithParam<InferenceTransport> {
 protected:
  struct ClientEnd {
    StreamContext context;
    std::unique_ptr<InferenceClient> stream;
  };
  struct ServerEnd {
    StreamContext context;
    std::unique_ptr<InferenceServer> stream;
  };

  InferenceStreamSuite();
  ClientEnd MakeClient(uint32_t index, const InferenceClientOptions& options = {},
                       uint32_t incarnation = 1);
  ServerEnd MakeServer(uint32_t index = 0, uint32_t incarnation = 1);
  // Posts the pattern of `seed` in what every request carries; `seed` is also its first_row.
  void Post(ClientEnd& client, int group, uint64_t seed);
  // Waits until one of `servers` has collected something; the index of that server.
  size_t CollectFromAny(std::vector<ServerEnd*> servers, std::vector<PendingRequest>& requests);
  // Answers with the pattern of first_row + 1 and version first_row + 100, and flushes.
  void Answer(ServerEnd& server, const std::vector<PendingRequest>& requests);
  bool HasAnswer(const ClientEnd& client, const Reply& reply, uint64_t seed) const;
  // The reply, calling Maintain() meanwhile; a failure and an empty one if none comes.
  Reply WaitForReply(ClientEnd& client, int group);

  StreamWorld world_;
  InferenceSpec spec_;
};

}  // namespace millrace
