#include "control/controller_service.h"

#include <string_view>

#include "control/controller_file.h"
#include "control/rpc.h"

namespace millrace {
namespace {

grpc::Status WrongToken() {
  return {grpc::StatusCode::UNAUTHENTICATED, "the call does not carry this run's token"};
}

ControllerCore::Done FinishOf(grpc::ServerUnaryReactor* reactor) {
  return [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); };
}

}  // namespace

bool ControllerService::Admitted(const Context& context) const {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(kTokenKey);
  return found != metadata.end() &&
         SameToken(token_, std::string_view(found->second.data(), found->second.size()));
}

template <typename Call>
ControllerService::Reactor* ControllerService::Answer(Context* context, Call&& call) {
  Reactor* reactor = context->DefaultReactor();
  reactor->Finish(Admitted(*context) ? ToGrpc(call()) : WrongToken());
  return reactor;
}

ControllerService::Reactor* ControllerService::Register(Context* context,
                                                        const control::RegisterRequest* request,
                                                        control::RegisterReply* reply) {
  return Answer(context, [&] { return core_.Register(*request, reply); });
}

ControllerService::Reactor* ControllerService::Sync(Context* context,
                                                    const control::SyncRequest* request,
                                                    control::SyncReply* reply) {
  Reactor* reactor = context->DefaultReactor();
  if (Admitted(*context)) {
    core_.Sync(*request, reply, FinishOf(reactor));
  } else {
    reactor->Finish(WrongToken());
  }
  return reactor;
}

ControllerService::Reactor* ControllerService::Report(Context* context,
                                                      const control::ReportRequest* request,
                                                      control::Empty*) {
  return Answer(context, [&] { return core_.Report(*request); });
}

ControllerService::Reactor* ControllerService::Put(Context* context,
                                                   const control::PutRequest* request,
                                                   control::Empty*) {
  return Answer(context, [&] { return core_.Put(*request); });
}

ControllerService::Reactor* ControllerService::Delete(Context* context,
                                                      const control::DeleteRequest* request,
                                                      control::Empty*) {
  return Answer(context, [&] { return core_.Delete(*request); });
}

ControllerService::Reactor* ControllerService::Store(Context* context,
                                                     const control::StoreRequest* request,
                                                     control::StoreReply* reply) {
  return Answer(context, [&] { return core_.Store(*request, reply); });
}

ControllerService::Reactor* ControllerService::AgentSync(Context* context,
                                                         const control::AgentSyncRequest* request,
                                                         control::AgentSyncReply* reply) {
  Reactor* reactor = context->DefaultReactor();
  if (Admitted(*context)) {
    core_.AgentSync(*request, reply, FinishOf(reactor));
  } else {
    reactor->Finish(WrongToken());
  }
  return reactor;
}

ControllerService::Reactor* ControllerService::GetStatus(Context* context, const control::Empty*,
                                                         control::StatusReply* reply) {
  return Answer(context, [&] { return core_.GetStatus(reply); });
}

ControllerService::Reactor* ControllerService::Command(Context* context,
                                                       const control::CommandRequest* request,
                                                       control::Empty*) {
  return Answer(context, [&] { return core_.Command(*request); });
}

}  // namespace millrace
