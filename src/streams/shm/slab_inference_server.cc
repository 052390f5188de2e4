#include "streams/shm/slab_inference_server.h"

#include <spdlog/spdlog.h>

#include <cstring>

#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<SlabInferenceServer>> SlabInferenceServer::Create(
    const StreamContext& context, const InferenceSpec& spec, std::unique_ptr<SlabStore> store) {
  MILLRACE_ASSIGN_OR_RETURN(
      auto clients, PeerList::Create(context.names, PeerPrefix("inference", spec.policy, "client"),
                                     context.bell));
  const Peer self{
      .index = context.index, .incarnation = context.incarnation, .bell = store->bell_address()};
  std::unique_ptr<SlabInferenceServer> server(
      new SlabInferenceServer(context, spec, std::move(store), std::move(clients)));
  MILLRACE_ASSIGN_OR_RETURN(
      server->announcement_,
      Announcement::Create(context.names, PeerPrefix("inference", spec.policy, "server"), self));
  return server;
}

SlabInferenceServer::SlabInferenceServer(const StreamContext& context, const InferenceSpec& spec,
                                         std::unique_ptr<SlabStore> store,
                                         std::unique_ptr<PeerList> client_list)
    : spec_(spec),
      request_layout_(spec.RequestLayout()),
      reply_layout_(spec.ReplyLayout()),
      address_(ServerAddress(context.index, context.incarnation)),
      store_(std::move(store)),
      client_list_(std::move(client_list)) {}

void SlabInferenceServer::RefreshClients() {
  if (!client_list_->Update()) return;
  std::map<Key, const Peer*> present;
  for (const Peer& peer : client_list_->peers()) {
    present[{peer.index, peer.incarnation}] = &peer;
  }
  for (auto it = sources_.begin(); it != sources_.end();) {
    const auto current = it++;  // Abandon may erase it
    if (present.contains(current->first) || current->second.gone) continue;
    Abandon(current->first, current->second);
  }
  for (const auto& [key, peer] : present) {
    if (const auto known = sources_.find(key); known != sources_.end()) {
      known->second.gone = false;
    } else if (!rejected_.contains(key)) {
      Attach(key, *peer);
    }
  }
}

void SlabInferenceServer::Attach(const Key& key, const Peer& peer) {
  auto slab = InferenceSlab::Open(*store_, peer.slab, spec_, key.first, key.second);
  auto bell = store_->OpenBell(peer.bell);
  if (!slab.ok() || !bell.ok()) {
    spdlog::error("inference stream {}: refused client {}.{}: {}", spec_.policy, key.first,
                  key.second, std::string((slab.ok() ? bell.status() : slab.status()).message()));
    rejected_.insert(key);
    return;
  }
  const size_t groups = static_cast<size_t>(slab->groups());
  sources_.emplace(key, Source{.slab = *std::move(slab),
                               .bell = *std::move(bell),
                               .replies = AllocateHeapSlab(groups * reply_layout_.total_bytes()),
                               .groups = std::vector<Group>(groups)});
}

void SlabInferenceServer::Abandon(const Key& key, Source& source) {
  gone_.push_back(key);
  source.gone = true;
  if (source.open == 0) sources_.erase(Key(key));
}

void SlabInferenceServer::Collect(std::vector<PendingRequest>& requests) {
  RefreshClients();
  for (auto& [key, source] : sources_) {
    if (source.gone) continue;
    for (int number = 0; number < source.slab.groups(); ++number) {
      CollectGroup(key, source, number, requests);
    }
  }
}

void SlabInferenceServer::CollectGroup(const Key& key, Source& source, int number,
                                       std::vector<PendingRequest>& requests) {
  const GroupControl& control = source.slab.control(number);
  const Ticket ticket = Ticket::Unpack(control.ticket.load());
  if (ticket.phase != Ticket::kPosted || control.address.load() != address_) return;
  Group& group = source.groups[static_cast<size_t>(number)];
  if (ticket.id == group.id) {  // posted again
    group.attempt = ticket.attempt;
    if (!group.open) Publish(source, number);
    return;
  }
  // The client got its last answer elsewhere; the worker still holds that request and its buffer.
  if (group.open) return;
  group.id = ticket.id;
  group.attempt = ticket.attempt;
  group.open = true;
  ++source.open;
  PendingRequest request{.header = *source.slab.request(number),
                         .payload = source.slab.request_payload(number),
                         .compact = false,
                         .reply = ReplyPayload(source, number),
                         .arrived = Clock::now(),
                         .handle = static_cast<uint64_t>(number)};
  request.header.id = ticket.id;
  request.header.client = key.first;
  request.header.incarnation = key.second;
  request.header.group = static_cast<uint32_t>(number);
  requests.push_back(request);
}

std::byte* SlabInferenceServer::ReplyPayload(const Source& source, int number) const {
  return source.replies.At<std::byte>(static_cast<size_t>(number) * reply_layout_.total_bytes());
}

void SlabInferenceServer::Respond(const PendingRequest& request, ReplyHeader header) {
  const auto found = sources_.find({request.header.client, request.header.incarnation});
  MILLRACE_CHECK(found != sources_.end(), "Respond to a request that was not collected");
  Source& source = found->second;
  const int number = static_cast<int>(request.handle);
  Group& group = source.groups[static_cast<size_t>(number)];
  MILLRACE_CHECK(group.open && group.id == request.header.id, "Respond to a request twice");
  --source.open;
  if (source.gone) {
    // Nobody waits for this answer; if the client comes back, its request is a new one.
    group = Group{};
  } else {
    header.id = group.id;
    group.reply = header;
    group.open = false;
    Publish(source, number);
  }
  if (source.gone && source.open == 0) sources_.erase(found);
}

// Fails silently if the client has asked another server since: that one answers.
void SlabInferenceServer::Publish(Source& source, int number) {
  const Group& group = source.groups[static_cast<size_t>(number)];
  Ticket ticket{.phase = Ticket::kPosted, .attempt = group.attempt, .id = group.id};
  std::atomic<uint64_t>& shared = source.slab.control(number).ticket;
  uint64_t word = ticket.Pack();
  ticket.phase = Ticket::kWriting;
  if (!shared.compare_exchange_strong(word, ticket.Pack())) return;
  *source.slab.reply(number) = group.reply;
  std::memcpy(source.slab.reply_payload(number), ReplyPayload(source, number),
              reply_layout_.total_bytes());
  word = ticket.Pack();
  ticket.phase = Ticket::kAnswered;
  if (shared.compare_exchange_strong(word, ticket.Pack())) source.answered = true;
}

void SlabInferenceServer::Flush() {
  for (auto& [key, source] : sources_) {
    if (std::exchange(source.answered, false)) source.bell->Ring();
  }
}

std::vector<std::pair<uint32_t, uint32_t>> SlabInferenceServer::TakeGoneClients() {
  return std::exchange(gone_, {});
}

}  // namespace millrace
