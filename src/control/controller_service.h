// gRPC's side of the controller.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "control.grpc.pb.h"
#include "control/controller_core.h"

namespace millrace {

// Checks the token of every call and hands it to the core. Callback API: a held call costs a few
// hundred bytes and no thread. Thread-safe.
class ControllerService final : public control::Controller::CallbackService {
 public:
  // `core` must outlive the server.
  ControllerService(ControllerCore& core, std::string token)
      : core_(core), token_(std::move(token)) {}

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* Register(Context*, const control::RegisterRequest*, control::RegisterReply*) override;
  Reactor* Sync(Context*, const control::SyncRequest*, control::SyncReply*) override;
  Reactor* Report(Context*, const control::ReportRequest*, control::Empty*) override;
  Reactor* Put(Context*, const control::PutRequest*, control::Empty*) override;
  Reactor* Delete(Context*, const control::DeleteRequest*, control::Empty*) override;
  Reactor* Store(Context*, const control::StoreRequest*, control::StoreReply*) override;
  Reactor* AgentSync(Context*, const control::AgentSyncRequest*, control::AgentSyncReply*) override;
  Reactor* GetStatus(Context*, const control::Empty*, control::StatusReply*) override;
  Reactor* Command(Context*, const control::CommandRequest*, control::Empty*) override;

 private:
  // Runs `call` and finishes with its status, or refuses the caller.
  template <typename Call>
  Reactor* Answer(Context* context, Call&& call);
  bool Admitted(const Context& context) const;

  ControllerCore& core_;
  const std::string token_;
};

}  // namespace millrace
