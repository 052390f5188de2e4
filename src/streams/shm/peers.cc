#include "streams/shm/peers.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

std::string ToJson(const Peer& peer) {
  nlohmann::json value = {{"incarnation", peer.incarnation}, {"bell", peer.bell}};
  if (!peer.slab.empty()) value["slab"] = peer.slab;
  return value.dump();
}

std::optional<Peer> ParsePeer(const NameEntry& entry, const std::string& prefix) {
  Peer peer;
  if (!absl::SimpleAtoi(entry.key.substr(prefix.size()), &peer.index)) return std::nullopt;
  const auto value = nlohmann::json::parse(entry.value, nullptr, false);
  if (!value.is_object()) return std::nullopt;
  const auto incarnation = value.find("incarnation");
  if (incarnation == value.end() || !incarnation->is_number_unsigned()) return std::nullopt;
  peer.incarnation = incarnation->get<uint32_t>();
  for (auto [name, text] : {std::pair{"slab", &peer.slab}, std::pair{"bell", &peer.bell}}) {
    const auto found = value.find(name);
    if (found != value.end() && found->is_string()) *text = found->get<std::string>();
  }
  return peer;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Announcement>> Announcement::Create(NameService* names,
                                                                   const std::string& prefix,
                                                                   const Peer& self) {
  std::string key = absl::StrCat(prefix, self.index);
  std::string value = ToJson(self);
  MILLRACE_RETURN_IF_ERROR(names->Put(key, value));
  return std::unique_ptr<Announcement>(new Announcement(names, std::move(key), std::move(value)));
}

Announcement::Announcement(NameService* names, std::string key, std::string value)
    : names_(names), key_(std::move(key)), value_(std::move(value)) {}

Announcement::~Announcement() {
  for (const NameEntry& entry : names_->List(key_)) {
    if (entry.key == key_ && entry.value != value_) return;
  }
  if (absl::Status status = names_->Delete(key_); !status.ok()) {
    spdlog::debug("cannot delete the name {}: {}", key_, std::string(status.message()));
  }
}

absl::StatusOr<std::unique_ptr<PeerList>> PeerList::Create(NameService* names, std::string prefix,
                                                           Doorbell* bell) {
  MILLRACE_RETURN_IF_ERROR(names->Watch(prefix, bell));
  return std::unique_ptr<PeerList>(new PeerList(names, std::move(prefix)));
}

PeerList::PeerList(NameService* names, std::string prefix)
    : names_(names), prefix_(std::move(prefix)) {}

bool PeerList::Update() {
  // The revision is read first: a change while the names are read makes the next call read again.
  const uint64_t revision = names_->revision();
  if (read_ && revision == revision_) return false;
  read_ = true;
  revision_ = revision;
  std::vector<Peer> now;
  for (const NameEntry& entry : names_->List(prefix_)) {
    if (auto peer = ParsePeer(entry, prefix_)) {
      now.push_back(*std::move(peer));
    } else {
      spdlog::warn("ignored the name {}: expected a number and {{\"incarnation\", ...}}, got {}",
                   entry.key, entry.value);
    }
  }
  std::sort(now.begin(), now.end(), [](const Peer& a, const Peer& b) { return a.index < b.index; });
  if (now == peers_) return false;
  peers_ = std::move(now);
  return true;
}

std::string PeerPrefix(const std::string& stream, const std::string& policy,
                       const std::string& side) {
  return absl::StrCat(stream, "/", policy, "/", side, "/");
}

std::string SlabName(const std::string& stream, const std::string& policy, uint32_t index,
                     uint32_t incarnation) {
  return absl::StrCat(stream, "-", policy, "-", index, ".", incarnation);
}

}  // namespace millrace
