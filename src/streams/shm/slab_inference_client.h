// The requesting end of an inference stream over a slab.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "streams/factory.h"
#include "streams/inference_stream.h"
#include "streams/shm/inference_slab.h"
#include "streams/shm/peers.h"
#include "streams/shm/slab_store.h"

namespace millrace {

// Group g first goes to server number (client index + g) of those alive, and stays there.
class SlabInferenceClient final : public InferenceClient {
 public:
  static absl::StatusOr<std::unique_ptr<SlabInferenceClient>> Create(
      const StreamContext& context, const InferenceSpec& spec,
      const InferenceClientOptions& options, std::unique_ptr<SlabStore> store);
  ~SlabInferenceClient() override;

  const Layout& request_layout() const override { return slab_.request_layout(); }
  const Layout& reply_layout() const override { return slab_.reply_layout(); }
  std::byte* RequestPayload(int group) override { return slab_.request_payload(group); }
  absl::Status Post(int group, RequestHeader header) override;
  std::optional<Reply> TryReply(int group) override;
  absl::Status Maintain() override;

 private:
  struct Server {
    Peer peer;
    uint64_t address = kNoServer;
    std::unique_ptr<PeerBell> bell;
  };
  struct Group {
    uint64_t id = 0;
    bool waiting = false;
    uint64_t server = kNoServer;  // the address it sticks to
    Deadline deadline;
  };

  SlabInferenceClient(const StreamContext& context, const InferenceSpec& spec,
                      const InferenceClientOptions& options, std::unique_ptr<SlabStore> store,
                      InferenceSlab slab, std::unique_ptr<PeerList> server_list);
  void RefreshServers();
  Server* FindServer(uint64_t address);
  // The server a group without one goes to, or after `late` has not answered; null if none lives.
  Server* ChooseServer(int group, const Server* late);
  void MaintainGroup(int number);
  void Repost(int number, Ticket seen, Server& server);

  const std::string policy_;
  const uint32_t index_;
  const uint32_t incarnation_;
  const InferenceClientOptions options_;
  const std::unique_ptr<SlabStore> store_;
  const std::string slab_address_;
  const InferenceSlab slab_;
  const std::unique_ptr<PeerList> server_list_;
  std::vector<Server> servers_;  // alive, ordered by index
  std::vector<Group> groups_;
  Clock::time_point last_server_seen_;
  std::unique_ptr<Announcement> announcement_;  // last: gone before the slab
};

}  // namespace millrace
