// The answering end of an inference stream over the slabs of its clients.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "streams/factory.h"
#include "streams/inference_stream.h"
#include "streams/shm/inference_slab.h"
#include "streams/shm/peers.h"
#include "streams/shm/slab_store.h"

namespace millrace {

// Requests are read in place; replies are written to memory of the server's own and copied into the
// slab by Respond(), since the client may have turned to another server meanwhile. The copy is kept
// until the group's next request, so a repeated one is answered without the policy worker.
class SlabInferenceServer final : public InferenceServer {
 public:
  static absl::StatusOr<std::unique_ptr<SlabInferenceServer>> Create(
      const StreamContext& context, const InferenceSpec& spec, std::unique_ptr<SlabStore> store);

  const Layout& request_layout() const override { return request_layout_; }
  const Layout& reply_layout() const override { return reply_layout_; }
  void Collect(std::vector<PendingRequest>& requests) override;
  void Respond(const PendingRequest& request, ReplyHeader header) override;
  void Flush() override;
  std::vector<std::pair<uint32_t, uint32_t>> TakeGoneClients() override;

 private:
  using Key = std::pair<uint32_t, uint32_t>;  // client, incarnation
  struct Group {
    uint64_t id = 0;       // of the newest request handed out
    uint32_t attempt = 0;  // the client's newest known attempt at it
    bool open = false;     // handed out and not responded to
    ReplyHeader reply;     // if not open
  };
  struct Source {
    InferenceSlab slab;
    std::unique_ptr<PeerBell> bell;
    SlabMemory replies;
    std::vector<Group> groups;
    int open = 0;           // groups that are
    bool answered = false;  // since the last Flush
    bool gone = false;      // unmapped as soon as no group is open
  };

  SlabInferenceServer(const StreamContext& context, const InferenceSpec& spec,
                      std::unique_ptr<SlabStore> store, std::unique_ptr<PeerList> client_list);
  void RefreshClients();
  void Attach(const Key& key, const Peer& peer);
  void Abandon(const Key& key, Source& source);
  void CollectGroup(const Key& key, Source& source, int number,
                    std::vector<PendingRequest>& requests);
  std::byte* ReplyPayload(const Source& source, int number) const;
  void Publish(Source& source, int number);

  const InferenceSpec spec_;
  const Layout request_layout_;
  const Layout reply_layout_;
  const uint64_t address_;
  const std::unique_ptr<SlabStore> store_;
  const std::unique_ptr<PeerList> client_list_;
  std::map<Key, Source> sources_;
  std::set<Key> rejected_;  // their slabs do not fit
  std::vector<Key> gone_;
  std::unique_ptr<Announcement> announcement_;
};

}  // namespace millrace
