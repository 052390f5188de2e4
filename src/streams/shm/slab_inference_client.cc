#include "streams/shm/slab_inference_client.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<SlabInferenceClient>> SlabInferenceClient::Create(
    const StreamContext& context, const InferenceSpec& spec, const InferenceClientOptions& options,
    std::unique_ptr<SlabStore> store) {
  if (context.incarnation > 0) {  // a predecessor that was killed has left its slab behind
    store->Remove(
        store->Address(SlabName("inference", spec.policy, context.index, context.incarnation - 1)));
  }
  const std::string name = SlabName("inference", spec.policy, context.index, context.incarnation);
  MILLRACE_ASSIGN_OR_RETURN(
      InferenceSlab slab,
      InferenceSlab::Create(*store, name, spec, static_cast<uint32_t>(std::max(options.groups, 0)),
                            context.index, context.incarnation));
  MILLRACE_ASSIGN_OR_RETURN(
      auto servers, PeerList::Create(context.names, PeerPrefix("inference", spec.policy, "server"),
                                     context.bell));
  const Peer self{.index = context.index,
                  .incarnation = context.incarnation,
                  .slab = store->Address(name),
                  .bell = store->bell_address()};
  std::unique_ptr<SlabInferenceClient> client(new SlabInferenceClient(
      context, spec, options, std::move(store), std::move(slab), std::move(servers)));
  MILLRACE_ASSIGN_OR_RETURN(
      client->announcement_,
      Announcement::Create(context.names, PeerPrefix("inference", spec.policy, "client"), self));
  return client;
}

SlabInferenceClient::SlabInferenceClient(const StreamContext& context, const InferenceSpec& spec,
                                         const InferenceClientOptions& options,
                                         std::unique_ptr<SlabStore> store, InferenceSlab slab,
                                         std::unique_ptr<PeerList> server_list)
    : policy_(spec.policy),
      index_(context.index),
      incarnation_(context.incarnation),
      options_(options),
      store_(std::move(store)),
      slab_address_(
          store_->Address(SlabName("inference", spec.policy, context.index, context.incarnation))),
      slab_(std::move(slab)),
      server_list_(std::move(server_list)),
      groups_(static_cast<size_t>(options.groups)),
      last_server_seen_(Clock::now()) {}

SlabInferenceClient::~SlabInferenceClient() { store_->Remove(slab_address_); }

void SlabInferenceClient::RefreshServers() {
  if (!server_list_->Update()) return;
  std::vector<Server> now;
  for (const Peer& peer : server_list_->peers()) {
    const auto known = std::find_if(servers_.begin(), servers_.end(), [&](const Server& server) {
      return server.bell != nullptr && server.peer == peer;
    });
    if (known != servers_.end()) {
      now.push_back(std::move(*known));
      continue;
    }
    auto bell = store_->OpenBell(peer.bell);
    if (!bell.ok()) {
      spdlog::warn("cannot use inference server {} of policy {}: {}", peer.index, policy_,
                   std::string(bell.status().message()));
      continue;
    }
    now.push_back({peer, ServerAddress(peer.index, peer.incarnation), *std::move(bell)});
  }
  servers_ = std::move(now);
}

SlabInferenceClient::Server* SlabInferenceClient::FindServer(uint64_t address) {
  for (Server& server : servers_) {
    if (server.address == address) return &server;
  }
  return nullptr;
}

SlabInferenceClient::Server* SlabInferenceClient::ChooseServer(int group, const Server* late) {
  if (servers_.empty()) return nullptr;
  const size_t first = late == nullptr ? size_t{index_} + static_cast<size_t>(group)
                                       : static_cast<size_t>(late - servers_.data()) + 1;
  return &servers_[first % servers_.size()];
}

absl::Status SlabInferenceClient::Post(int number, RequestHeader header) {
  Group& group = groups_[static_cast<size_t>(number)];
  MILLRACE_CHECK(!group.waiting, "Post to a group whose last request is not answered");
  RefreshServers();
  header.id = ++group.id;
  header.client = index_;
  header.incarnation = incarnation_;
  header.group = static_cast<uint32_t>(number);
  Server* server = FindServer(group.server);
  if (server == nullptr) server = ChooseServer(number, nullptr);
  group.server = server == nullptr ? kNoServer : server->address;
  group.waiting = true;
  group.deadline = After(options_.request_deadline);
  *slab_.request(number) = header;
  GroupControl& control = slab_.control(number);
  control.address.store(group.server);
  control.ticket.store(Ticket{.phase = Ticket::kPosted, .attempt = 0, .id = group.id}.Pack());
  if (server != nullptr) server->bell->Ring();
  return absl::OkStatus();
}

std::optional<Reply> SlabInferenceClient::TryReply(int number) {
  Group& group = groups_[static_cast<size_t>(number)];
  if (!group.waiting) return std::nullopt;
  const Ticket ticket = Ticket::Unpack(slab_.control(number).ticket.load());
  if (ticket.phase != Ticket::kAnswered) return std::nullopt;
  group.waiting = false;
  return Reply{.header = *slab_.reply(number), .payload = slab_.reply_payload(number)};
}

absl::Status SlabInferenceClient::Maintain() {
  RefreshServers();
  for (int number = 0; number < slab_.groups(); ++number) MaintainGroup(number);
  if (!servers_.empty()) last_server_seen_ = Clock::now();
  const Clock::duration missing = Clock::now() - last_server_seen_;
  if (missing <= options_.patience) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("policy {}: no policy worker has been there for {:.1f} s", policy_,
                  std::chrono::duration<double>(missing).count()));
}

// A server found writing may be alive, so the reply area stays its own until the deadline: by then
// it is dead, for writing takes microseconds.
void SlabInferenceClient::MaintainGroup(int number) {
  Group& group = groups_[static_cast<size_t>(number)];
  if (!group.waiting) return;
  const Ticket ticket = Ticket::Unpack(slab_.control(number).ticket.load());
  const bool late = Expired(group.deadline);
  if (ticket.phase == Ticket::kAnswered || (ticket.phase == Ticket::kWriting && !late)) return;
  Server* current = FindServer(group.server);
  if (current != nullptr && !late) return;
  if (Server* server = ChooseServer(number, current)) Repost(number, ticket, *server);
}

void SlabInferenceClient::Repost(int number, Ticket seen, Server& server) {
  Group& group = groups_[static_cast<size_t>(number)];
  GroupControl& control = slab_.control(number);
  group.deadline = After(options_.request_deadline);
  if (server.address == group.server && seen.phase == Ticket::kPosted) {
    server.bell->Ring();  // it has the request already
    return;
  }
  control.address.store(server.address);
  const Ticket next{.phase = Ticket::kPosted, .attempt = seen.attempt + 1, .id = group.id};
  uint64_t word = seen.Pack();
  if (!control.ticket.compare_exchange_strong(word, next.Pack())) return;  // just being answered
  group.server = server.address;
  server.bell->Ring();
}

}  // namespace millrace
